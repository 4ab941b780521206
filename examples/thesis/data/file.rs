//! Data files on disk.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::arff;
use super::frame::Frame;

/// Bytes read at once.
const BUFFER: usize = 1 << 18;

/// Reads an ARFF file, packed by gzip or not, whatever its name says. The error names the file.
pub fn read_arff(path: &Path) -> Result<Frame, Box<dyn Error>> {
    let unreadable = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let open = || -> io::Result<Box<dyn Read>> {
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        Read::by_ref(&mut file).take(2).read_to_end(&mut magic)?;
        let packed = magic == [0x1f, 0x8b];
        let whole = io::Cursor::new(magic).chain(file);
        Ok(if packed {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, whole)))
        } else {
            Box::new(whole)
        })
    };
    let text = open().map_err(|error| unreadable(&error))?;
    Ok(arff::read(BufReader::with_capacity(BUFFER, text)).map_err(|error| unreadable(&error))?)
}
