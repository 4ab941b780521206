//! Where things are: the runtime folder, the state folder, sockets, configuration.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a folder cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is a symbolic link, or no folder.
    #[error("{0} is not a folder of its own (a link or a file); remove it, or set XDG_RUNTIME_DIR")]
    NotAFolder(PathBuf),
    /// Somebody else owns it.
    #[error("{path} belongs to uid {owner}, not to uid {uid}; remove it, or set XDG_RUNTIME_DIR")]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        uid: u32,
    },
    /// Others could put a socket of their own there.
    #[error("{0} can be written by others; make it private with: chmod 700 {0}")]
    Writable(PathBuf),
    /// It could not be made or looked at.
    #[error("{path}: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The places of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    uid: u32,
    runtime: PathBuf,
    state: PathBuf,
    config: PathBuf,
    named_socket: Option<PathBuf>,
    named_config: Option<PathBuf>,
}

impl Places {
    /// Those of this process's user and environment.
    pub fn here() -> Places {
        Places::of(nix::unistd::geteuid().as_raw(), &|name| std::env::var_os(name))
    }

    /// Those of a user with a given environment.
    pub fn of(uid: u32, env: &dyn Fn(&str) -> Option<OsString>) -> Places {
        let named = |name: &str| env(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        // The XDG specification: a relative path is to be ignored.
        let folder = |name: &str| named(name).filter(|p| p.is_absolute());
        let home = folder("HOME").unwrap_or_else(|| PathBuf::from(if uid == 0 { "/root" } else { "/" }));
        let root = uid == 0;
        let runtime = match folder("XDG_RUNTIME_DIR") {
            Some(dir) => dir.join("earlystop"),
            None if root => PathBuf::from("/run/earlystop"),
            None => PathBuf::from(format!("/tmp/earlystop-{uid}")),
        };
        let state = match folder("XDG_STATE_HOME") {
            Some(dir) => dir.join("earlystop"),
            None if root => PathBuf::from("/var/lib/earlystop"),
            None => home.join(".local/state/earlystop"),
        };
        let config = match folder("XDG_CONFIG_HOME") {
            Some(dir) => dir.join("earlystop/earlystop.toml"),
            None if root => PathBuf::from("/etc/earlystop/earlystop.toml"),
            None => home.join(".config/earlystop/earlystop.toml"),
        };
        let (named_socket, named_config) = (named("EARLYSTOP_SOCKET"), named("EARLYSTOP_CONFIG"));
        Places { uid, runtime, state, config, named_socket, named_config }
    }

    /// The runtime folder; it need not exist.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Makes the runtime folder (0700) if it is not there, and refuses it if it is a link, not ours, or writable by
    /// others.
    pub fn make_runtime(&self) -> Result<&Path, PlaceError> {
        let io = |source| PlaceError::Io { path: self.runtime.clone(), source };
        if let Some(above) = self.runtime.parent() {
            std::fs::create_dir_all(above).map_err(io)?;
        }
        match DirBuilder::new().mode(0o700).create(&self.runtime) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(io(e)),
            _ => {}
        }
        self.check_runtime().map(|()| self.runtime.as_path())
    }

    /// Refuses the runtime folder if it is a link, not ours, or writable by others.
    pub fn check_runtime(&self) -> Result<(), PlaceError> {
        let path = self.runtime.clone();
        let meta = match std::fs::symlink_metadata(&path) {
            Ok(meta) => meta,
            Err(source) => return Err(PlaceError::Io { path, source }),
        };
        if !meta.is_dir() {
            return Err(PlaceError::NotAFolder(path));
        }
        if meta.uid() != self.uid {
            return Err(PlaceError::NotOurs { path, owner: meta.uid(), uid: self.uid });
        }
        match meta.mode() & 0o022 {
            0 => Ok(()),
            _ => Err(PlaceError::Writable(path)),
        }
    }

    /// Lets this group pass through the runtime folder (0710) to a socket that is the group's: it can neither list the
    /// folder nor put anything there. The folder must have been made before.
    pub fn let_through(&self, group: u32) -> Result<(), PlaceError> {
        let io = |source| PlaceError::Io { path: self.runtime.clone(), source };
        std::os::unix::fs::chown(&self.runtime, None, Some(group)).map_err(io)?;
        std::fs::set_permissions(&self.runtime, PermissionsExt::from_mode(0o710)).map_err(io)?;
        self.check_runtime()
    }

    /// The socket of the user's daemon.
    pub fn socket(&self) -> PathBuf {
        self.runtime.join("earlystop.sock")
    }

    /// The socket of the daemon inside the `run` with this number.
    pub fn run_socket(&self, pid: u32) -> PathBuf {
        self.runtime.join(format!("run-{pid}.sock"))
    }

    /// Where clients look for a daemon, in this order.
    pub fn client_sockets(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = self.named_socket.iter().cloned().collect();
        found.push(self.socket());
        found.push(PathBuf::from("/run/earlystop/earlystop.sock"));
        found.dedup();
        found
    }

    /// [`Places::client_sockets`], and every other socket in the user's runtime folder: those of `run` without a daemon.
    pub fn all_sockets(&self) -> Vec<PathBuf> {
        let mut all = self.client_sockets();
        let found = std::fs::read_dir(&self.runtime).into_iter().flatten().flatten().map(|e| e.path());
        let mut sockets: Vec<PathBuf> = found.filter(|p| p.extension().is_some_and(|e| e == "sock")).collect();
        sockets.sort();
        sockets.retain(|socket| !all.contains(socket));
        all.extend(sockets);
        all
    }

    /// Configuration files to try, the one that the environment names first; that one must be there.
    pub fn configs(&self) -> Vec<PathBuf> {
        self.named_config.iter().chain([&self.config]).cloned().collect()
    }

    /// The state folder, STATE.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// STATE/HOST: journals of different hosts never meet, even where the home is shared.
    pub fn host_state(&self) -> PathBuf {
        self.state.join(host_name())
    }
}

/// The host's name as a folder's name: other characters than letters, digits, `.`, `_`, `-` become `_`.
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    folder_name(&name)
}

fn folder_name(host: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = host.chars().map(keep).take(128).collect();
    if name.trim_matches('.').is_empty() { "localhost".to_string() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn with(uid: u32, vars: &[(&str, &str)]) -> Places {
        Places::of(uid, &|n| vars.iter().find(|(k, _)| *k == n).map(|(_, v)| v.into()))
    }

    #[test]
    fn users_and_root_have_their_places() {
        let root = with(0, &[]);
        assert_eq!(root.socket(), Path::new("/run/earlystop/earlystop.sock"));
        assert_eq!(root.state(), Path::new("/var/lib/earlystop"));
        assert_eq!(root.configs(), [Path::new("/etc/earlystop/earlystop.toml")]);
        assert_eq!(root.client_sockets().len(), 1);
        let plain = with(1000, &[("HOME", "/home/u"), ("XDG_STATE_HOME", "relative")]);
        assert_eq!(plain.runtime(), Path::new("/tmp/earlystop-1000"));
        assert_eq!(plain.state(), Path::new("/home/u/.local/state/earlystop"));
        assert_eq!(plain.run_socket(7), Path::new("/tmp/earlystop-1000/run-7.sock"));
        let xdg = with(1000, &[("XDG_RUNTIME_DIR", "/run/user/1000"), ("EARLYSTOP_SOCKET", "/x.sock")]);
        let wanted = ["/x.sock", "/run/user/1000/earlystop/earlystop.sock", "/run/earlystop/earlystop.sock"];
        assert_eq!(xdg.client_sockets(), wanted.map(PathBuf::from));
    }

    #[test]
    fn a_folder_that_others_could_use_is_refused() {
        let temp = tempfile::tempdir().expect("a folder");
        let uid = nix::unistd::geteuid().as_raw();
        let dir = temp.path().join("deep/run");
        let places = with(uid, &[("XDG_RUNTIME_DIR", dir.to_str().expect("plain"))]);
        let made = places.make_runtime().expect("made").to_path_buf();
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&made), 0o700);
        places.make_runtime().expect("a second time");
        places.let_through(nix::unistd::getegid().as_raw()).expect("our own group");
        assert_eq!(mode(&made), 0o710);
        places.make_runtime().expect("nobody else can write there");
        std::fs::set_permissions(&made, PermissionsExt::from_mode(0o770)).expect("ours");
        assert!(matches!(places.make_runtime(), Err(PlaceError::Writable(_))));
        std::fs::remove_dir(&made).expect("empty");
        symlink(temp.path(), &made).expect("a link");
        assert!(matches!(places.make_runtime(), Err(PlaceError::NotAFolder(_))));
        let stranger = Places { uid: uid + 1, runtime: temp.path().to_path_buf(), ..places };
        assert!(matches!(stranger.check_runtime(), Err(PlaceError::NotOurs { .. })));
    }

    #[test]
    fn host_names_are_safe_folder_names() {
        assert_eq!(folder_name("gpu1.example"), "gpu1.example");
        assert_eq!(folder_name("../x"), ".._x");
        assert_eq!(folder_name(".."), "localhost");
        assert_eq!(folder_name(""), "localhost");
    }
}
