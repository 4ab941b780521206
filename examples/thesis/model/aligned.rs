//! Numbers that begin at a cache line, so that no load of a vector straddles two.

/// Bytes of a cache line, and of the widest vector register.
const LINE: usize = 64;

/// A vector of numbers that begins at a multiple of 64 bytes.
#[derive(Debug)]
pub struct Aligned {
    /// Up to seven numbers more than asked for.
    store: Vec<f64>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Aligned {
        let spare = LINE / size_of::<f64>() - 1;
        let store = vec![0.0; len + spare];
        // A place that cannot be found (the documentation allows that) costs speed, nothing else.
        let start = store.as_ptr().align_offset(LINE).min(spare);
        Aligned { store, start, len }
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[f64] {
        &self.store[self.start..self.start + self.len]
    }

    /// The numbers, to change.
    pub fn as_mut_slice(&mut self) -> &mut [f64] {
        &mut self.store[self.start..self.start + self.len]
    }
}

/// A clone lies elsewhere, and so it begins at another offset.
impl Clone for Aligned {
    fn clone(&self) -> Aligned {
        let mut clone = Aligned::zeros(self.len);
        clone.as_mut_slice().copy_from_slice(self.as_slice());
        clone
    }
}

impl PartialEq for Aligned {
    fn eq(&self, other: &Aligned) -> bool {
        self.as_slice() == other.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_aligned_and_equal() {
        let mut numbers = Aligned::zeros(13);
        numbers.as_mut_slice().copy_from_slice(&[0.5; 13]);
        let clones: Vec<Aligned> = (0..9).map(|_| numbers.clone()).collect();
        for clone in &clones {
            assert_eq!(clone, &numbers);
            assert_eq!(clone.as_slice().as_ptr() as usize % LINE, 0);
        }
    }
}
