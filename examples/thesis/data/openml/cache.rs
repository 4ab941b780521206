//! Where files are kept: in the layout of the official Python client, so that each finds what the other fetched.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of one set.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
    id: u32,
}

impl Shelf {
    /// The folder of this set from the server of this host (with its port, if it has one).
    pub fn new(root: &Path, host: &str, id: u32) -> Shelf {
        // www.openml.org becomes org/openml/www.
        let server: PathBuf = host.split('.').rev().collect();
        Shelf { folder: root.join(server).join("datasets").join(id.to_string()), id }
    }

    /// The ARFF file, unpacked.
    pub fn arff(&self) -> PathBuf {
        self.folder.join("dataset.arff")
    }

    /// The Parquet file.
    pub fn parquet(&self) -> PathBuf {
        self.folder.join(format!("dataset_{}.pq", self.id))
    }

    /// An answer in JSON. (The Python client keeps the same answers as XML, beside these.)
    pub fn answer(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// Makes the folder.
    pub fn make(&self) -> Result<(), String> {
        fs::create_dir_all(&self.folder)
            .map_err(|e| format!("cannot make the folder {}: {e}; --cache names another", self.folder.display()))
    }
}

/// The root of the cache if nobody names one: where the Python client has it.
pub fn default_root() -> Result<PathBuf, String> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("OPENML_CACHE_DIR")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("openml")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/openml")))
        .ok_or_else(|| "there is no HOME to keep data files in; --cache names a folder".into())
}

/// Writes a file so that it is there whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("new");
    fs::write(&part, bytes)?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_the_python_client() {
        let shelf = Shelf::new(Path::new("/c"), "www.openml.org", 37);
        assert_eq!(shelf.arff(), Path::new("/c/org/openml/www/datasets/37/dataset.arff"));
        assert_eq!(shelf.parquet(), Path::new("/c/org/openml/www/datasets/37/dataset_37.pq"));
        let local = Shelf::new(Path::new("/c"), "127.0.0.1:80", 37);
        assert_eq!(local.answer("features"), Path::new("/c/1:80/0/0/127/datasets/37/features.json"));
    }
}
