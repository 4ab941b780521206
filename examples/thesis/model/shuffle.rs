//! The order in which scikit-learn takes the rows of one `partial_fit` when it shuffles them.
//!
//! numpy's legacy generator (the Mersenne Twister) gives a seed, and scikit-learn's own little generator shuffles by
//! it. With a number for `random_state` each call begins anew: every batch of one size is shuffled the same way.

/// The largest number that scikit-learn asks numpy for is one less than this.
const MAX_INT: u32 = 0x7fff_ffff;

/// The order of `rows` rows in a call of `SGDRegressor(random_state=seed).partial_fit`.
pub fn of_regression(seed: u32, rows: usize) -> Vec<u32> {
    shuffled(MersenneTwister::new(seed).below(MAX_INT), rows)
}

/// The order for a classifier of two classes. It draws two seeds, and shuffles by the second.
pub fn of_two_classes(seed: u32, rows: usize) -> Vec<u32> {
    let mut random = MersenneTwister::new(seed);
    // The first is drawn from 1 to MAX_INT - 1, hence the smaller bound; it would pick single rows, which nobody does.
    random.below(MAX_INT - 1);
    shuffled(random.below(MAX_INT), rows)
}

/// The order for each of several classes: each is a classifier of its own, with a seed of its own.
pub fn of_classes(seed: u32, rows: usize, classes: usize) -> Vec<Vec<u32>> {
    let mut random = MersenneTwister::new(seed);
    let seeds: Vec<u32> = (0..classes).map(|_| random.below(MAX_INT)).collect();
    seeds.into_iter().map(|seed| of_two_classes(seed, rows)).collect()
}

/// Fisher and Yates, upwards.
fn shuffled(seed: u32, rows: usize) -> Vec<u32> {
    let mut random = XorShift::new(seed);
    let mut order: Vec<u32> = (0..rows as u32).collect();
    for place in 0..rows.saturating_sub(1) {
        let left = (rows - place) as u32;
        order.swap(place, place + (random.next() % left) as usize);
    }
    order
}

/// Marsaglia's generator with 32 bits, as in scikit-learn's `utils/_random.pxd`.
struct XorShift(u32);

impl XorShift {
    fn new(seed: u32) -> XorShift {
        // 0 would give zeros for ever; scikit-learn takes 1 then.
        XorShift(seed.max(1))
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 & MAX_INT
    }
}

/// Words of state.
const STATE: usize = 624;

/// MT19937 (Matsumoto, Nishimura 1998), seeded like `numpy.random.RandomState(seed)`.
struct MersenneTwister {
    state: [u32; STATE],
    next: usize,
}

impl MersenneTwister {
    fn new(seed: u32) -> MersenneTwister {
        let mut state = [seed; STATE];
        for place in 1..STATE {
            let before = state[place - 1];
            state[place] = 1_812_433_253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(place as u32);
        }
        MersenneTwister { state, next: STATE }
    }

    fn next(&mut self) -> u32 {
        if self.next == STATE {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for place in 0..STATE {
            let y = (self.state[place] & 0x8000_0000) | (self.state[(place + 1) % STATE] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[place] = self.state[(place + 397) % STATE] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// A number below `bound`, as numpy's masked rejection finds it for bounds of 31 bits.
    fn below(&mut self, bound: u32) -> u32 {
        loop {
            let drawn = self.next() & MAX_INT;
            if drawn < bound {
                return drawn;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generators_give_the_published_numbers() {
        let mut random = XorShift(42);
        let states = [0; 4].map(|_| {
            random.next();
            random.0
        });
        assert_eq!(states, [11_355_432, 2_836_018_348, 476_557_059, 3_648_046_016]);
        // The reference implementation's ten thousandth number for its default seed (as in the C++ standard).
        let mut random = MersenneTwister::new(5489);
        assert_eq!((0..10_000).map(|_| random.next()).last(), Some(4_123_659_995));
    }

    #[test]
    fn seeds_are_those_that_scikit_learn_draws() {
        let mut random = MersenneTwister::new(0);
        assert_eq!([random.below(MAX_INT), random.below(MAX_INT)], [209_652_396, 398_764_591]);
        // SGDClassifier(random_state=0) on five rows.
        assert_eq!(of_two_classes(0, 5), [2, 4, 1, 3, 0]);
    }

    #[test]
    fn every_row_is_used_once() {
        for rows in [0, 1, 2, 7, 1000] {
            for mut order in of_classes(7, rows, 3).into_iter().chain([of_regression(7, rows)]) {
                order.sort_unstable();
                assert!(order.into_iter().eq(0..rows as u32));
            }
        }
    }
}
