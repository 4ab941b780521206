//! Memory limits and out-of-memory kills of control groups, version 1 and 2.

use std::path::{Path, PathBuf};

use crate::sys::text;
use crate::sys::tree::ProcTree;

/// A v1 limit above this is the kernel's way to say "none" (2^63 rounded down to pages).
const NONE_V1: u64 = 1 << 62;

/// The memory control group of a process: its folder and those above it, the nearest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    folders: Vec<PathBuf>,
    files: Files,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Files {
    limit: &'static str,
    events: &'static str,
}

const V1: Files = Files { limit: "memory.limit_in_bytes", events: "memory.oom_control" };
const V2: Files = Files { limit: "memory.max", events: "memory.events" };

impl Cgroup {
    /// The memory control group of a process, version 1 where the memory controller is mounted so, else version 2;
    /// `None` where there is neither.
    pub fn of(tree: &ProcTree, pid: u32) -> Option<Cgroup> {
        let groups = String::from_utf8(tree.read(pid, "cgroup").ok()?).ok()?;
        let mounts = String::from_utf8_lossy(&tree.read_host("self/mountinfo").ok()?).into_owned();
        let v1 = path_of(&groups, |controllers| controllers.split(',').any(|c| c == "memory"));
        let v2 = path_of(&groups, str::is_empty);
        let found = v1.and_then(|path| folders(&mounts, path, "cgroup", "memory")).map(|folders| (folders, V1));
        let found = found.or_else(|| v2.and_then(|p| folders(&mounts, p, "cgroup2", "")).map(|f| (f, V2)));
        found.map(|(folders, files)| Cgroup { folders, files })
    }

    /// The lowest limit on the way up, bytes; `None` where none is set.
    pub fn limit(&self) -> Option<u64> {
        let read = |folder: &PathBuf| std::fs::read(folder.join(self.files.limit)).ok();
        self.folders.iter().filter_map(read).filter_map(|t| text::number(&t)).filter(|n| *n < NONE_V1).min()
    }

    /// How often the kernel killed for want of memory here, in this group and those below it.
    pub fn oom_kills(&self) -> Option<u64> {
        let text = std::fs::read_to_string(self.folders.first()?.join(self.files.events)).ok()?;
        text.lines().find_map(|l| l.strip_prefix("oom_kill ")).and_then(|n| n.trim().parse().ok())
    }
}

fn path_of(groups: &str, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        wanted(fields.next()?).then(|| fields.next()).flatten()
    })
}

/// The folders of a group, nearest first. A mount may show only a part of the hierarchy (field 4 of mountinfo).
fn folders(mounts: &str, group: &str, kind: &str, option: &str) -> Option<Vec<PathBuf>> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        if right.next()? != kind || !(option.is_empty() || right.next_back()?.split(',').any(|o| o == option)) {
            return None;
        }
        let fields: Vec<&str> = left.split(' ').collect();
        let (root, point) = (fields.get(3)?, Path::new(fields.get(4)?));
        let inside = Path::new(group).strip_prefix(root).unwrap_or(Path::new(group).strip_prefix("/").ok()?);
        if inside.components().any(|c| c.as_os_str() == "..") {
            return None;
        }
        let nearest = point.join(inside);
        Some(nearest.ancestors().take_while(|f| f.starts_with(point)).map(Path::to_path_buf).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn groups_of_both_kinds_are_found() {
        let groups = "9:name=systemd:/\n4:memory:/a/b\n0::/c\n";
        let v1 = path_of(groups, |c| c == "memory").expect("there");
        let found = folders(MOUNTS, v1, "cgroup", "memory").expect("mounted");
        let wanted = ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory"];
        assert_eq!(found, wanted.map(PathBuf::from));
        let v2 = path_of(groups, str::is_empty).expect("there");
        assert_eq!(folders(MOUNTS, v2, "cgroup2", "").expect("mounted")[0], Path::new("/sys/fs/cgroup/unified/c"));
        assert_eq!(folders(MOUNTS, "/../..", "cgroup2", ""), None);
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_counts() {
        let dir = tempfile::tempdir().expect("a folder");
        let inner = dir.path().join("a");
        std::fs::create_dir(&inner).expect("a folder");
        std::fs::write(inner.join("memory.max"), "max\n").expect("a file");
        std::fs::write(dir.path().join("memory.max"), "1048576\n").expect("a file");
        std::fs::write(inner.join("memory.events"), "low 0\noom 3\noom_kill 2\n").expect("a file");
        let group = Cgroup { folders: vec![inner.clone(), dir.path().to_path_buf()], files: V2 };
        assert_eq!((group.limit(), group.oom_kills()), (Some(1 << 20), Some(2)));
        std::fs::write(inner.join("memory.limit_in_bytes"), "9223372036854771712\n").expect("a file");
        let group = Cgroup { folders: vec![inner], files: V1 };
        assert_eq!((group.limit(), group.oom_kills()), (None, None));
    }
}
