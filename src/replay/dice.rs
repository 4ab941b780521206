//! Chance that can be had again: the same seed gives the same draws on every machine.

/// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, every seed as good as any other.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// For one of many draws: each has dice of its own, so that their order does not matter.
    pub fn new(seed: u64, draw: u64) -> Dice {
        let mut dice = Dice(seed);
        Dice(dice.next() ^ draw.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0, each as likely as the other (Lemire 2019).
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        loop {
            let wide = u128::from(self.next()) * u128::from(n);
            // Of 2^64 equally likely numbers the first 2^64 mod n are one too many.
            if wide as u64 >= n.wrapping_neg() % n {
                return (wide >> 64) as usize;
            }
        }
    }

    /// So many of `all` in random order, none twice.
    pub fn draw(&mut self, all: &[usize], count: usize) -> Vec<usize> {
        let mut left = all.to_vec();
        let count = count.min(left.len());
        for place in 0..count {
            let other = place + self.below(left.len() - place);
            left.swap(place, other);
        }
        left.truncate(count);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_draws() {
        let all: Vec<usize> = (0..100).collect();
        let drawn = |seed, draw| Dice::new(seed, draw).draw(&all, 10);
        assert_eq!(drawn(1, 5), drawn(1, 5));
        assert_ne!(drawn(1, 5), drawn(1, 6));
        assert_ne!(drawn(1, 5), drawn(2, 5));
        let mut one = drawn(3, 0);
        one.sort_unstable();
        one.dedup();
        assert_eq!(one.len(), 10, "none twice");
        assert_eq!(Dice::new(1, 1).draw(&all, 1000).len(), 100);
    }

    #[test]
    fn every_number_is_as_likely_as_any_other() {
        let mut dice = Dice::new(7, 0);
        let mut seen = [0; 6];
        (0..60_000).for_each(|_| seen[dice.below(6)] += 1);
        // The standard deviation of each count is 91.
        assert!(seen.iter().all(|n| (9_600..10_400).contains(n)), "{seen:?}");
        let first = |draw| Dice::new(0, draw).below(2);
        let heads: usize = (0..10_000).map(first).sum();
        assert!((4_800..5_200).contains(&heads), "{heads}: dice of neighbouring draws are not alike");
    }
}
