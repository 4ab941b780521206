//! RAPL, the energy counters of Intel's and AMD's processors, as Linux's powercap shows them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One processor package. What its parts use (cores, graphics) is in its own counter already.
#[derive(Debug)]
struct Package {
    counter: PathBuf,
    /// The counter's highest value, microjoules; after it comes 0.
    highest: u64,
    /// The last reading, microjoules.
    last: u64,
}

/// All packages of the machine.
#[derive(Debug)]
pub struct Rapl {
    packages: Vec<Package>,
}

impl Rapl {
    /// The packages below a folder like /sys/class/powercap. The error is a sentence for people: there is none, or it may not
    /// be read.
    pub fn open(root: &Path) -> Result<Rapl, String> {
        let folders = match fs::read_dir(root) {
            Ok(folders) => folders,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(format!("there is no folder {}; virtual machines seldom have it", root.display()));
            }
            Err(error) => return Err(format!("cannot read the folder {}: {error}", root.display())),
        };
        let mut packages = Vec::new();
        for folder in folders.flatten().filter(|folder| is_package(&folder.path())) {
            packages.push(Package::open(&folder.path())?);
        }
        if packages.is_empty() {
            return Err(format!("{} has no package of RAPL (intel-rapl:0)", root.display()));
        }
        Ok(Rapl { packages })
    }

    /// Joules since the last reading, or since it was opened. A counter that went round once in between is reckoned with; it
    /// takes a package of 250 W four minutes at least.
    pub fn joules(&mut self) -> Result<f64, String> {
        let mut sum = 0;
        for package in &mut self.packages {
            let now = number(&package.counter)?;
            sum += if now >= package.last { now - package.last } else { package.highest - package.last + now };
            package.last = now;
        }
        Ok(sum as f64 / 1e6)
    }
}

impl Package {
    fn open(folder: &Path) -> Result<Package, String> {
        let counter = folder.join("energy_uj");
        let (highest, last) = (number(&folder.join("max_energy_range_uj"))?, number(&counter)?);
        Ok(Package { counter, highest: highest.max(last), last })
    }
}

/// `intel-rapl:0` and the like, on AMD as well; neither its parts (`intel-rapl:0:1`) nor the whole platform (psys), which
/// holds the packages.
fn is_package(folder: &Path) -> bool {
    let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let number = name.strip_prefix("intel-rapl:");
    let is_top = number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()));
    is_top && fs::read_to_string(folder.join("name")).is_ok_and(|name| name.starts_with("package"))
}

fn number(path: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => format!("{} may be read by root only", path.display()),
        _ => format!("cannot read {}: {error}", path.display()),
    })?;
    text.trim().parse().map_err(|_| format!("{} holds no number", path.display()))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A folder of the kernel's shape: a package, a part of it, and the platform.
    pub fn powercap(highest: u64) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (zone, name) in [("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:1", "psys")] {
            let folder = root.path().join(zone);
            fs::create_dir(&folder).expect("the folder is ours");
            fs::write(folder.join("name"), format!("{name}\n")).expect("the folder is ours");
            fs::write(folder.join("max_energy_range_uj"), format!("{highest}\n")).expect("the folder is ours");
            fs::write(folder.join("energy_uj"), "0\n").expect("the folder is ours");
        }
        root
    }

    fn set(root: &Path, zone: &str, microjoules: u64) {
        fs::write(root.join(zone).join("energy_uj"), format!("{microjoules}\n")).expect("the folder is ours");
    }

    #[test]
    fn packages_are_added_and_a_counter_goes_round() {
        let root = powercap(10_000_000);
        let mut rapl = Rapl::open(root.path()).expect("one package");
        set(root.path(), "intel-rapl:0", 9_000_000);
        set(root.path(), "intel-rapl:0:0", 5_000_000);
        set(root.path(), "intel-rapl:1", 9_500_000);
        assert_eq!(rapl.joules(), Ok(9.0), "the package alone");
        set(root.path(), "intel-rapl:0", 2_500_000);
        assert_eq!(rapl.joules(), Ok(3.5), "1 J up to the end, 2.5 J after it");
        assert_eq!(rapl.joules(), Ok(0.0));
        set(root.path(), "intel-rapl:0", 0);
        assert_eq!(rapl.joules(), Ok(7.5));
    }

    #[test]
    fn why_it_cannot_be_read_is_told() {
        let root = tempfile::tempdir().expect("a folder");
        let said = |root: &Path| Rapl::open(root).map(|_| ()).expect_err("there is nothing");
        assert!(said(&root.path().join("none")).starts_with("there is no folder "));
        assert!(said(root.path()).ends_with("has no package of RAPL (intel-rapl:0)"));
        let root = powercap(5);
        fs::write(root.path().join("intel-rapl:0/energy_uj"), "much").expect("the folder is ours");
        assert!(said(root.path()).ends_with("energy_uj holds no number"));
        fs::remove_file(root.path().join("intel-rapl:0/energy_uj")).expect("the folder is ours");
        assert!(said(root.path()).starts_with("cannot read "));
    }
}
