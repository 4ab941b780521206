//! The samples of one series over one block of ticks. What is written at every tick is a [`Head`]; when its block is
//! full it becomes a [`Chunk`], which nobody changes any more.

use crate::promql::{STALE, is_stale};

/// Ticks of a block: as many samples as Prometheus aims at for a chunk.
pub(super) const TICKS: usize = 120;

/// Stands where a series has no sample at a tick. Not a value that comes in: a NaN is made the plain one before.
const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0003);

/// What glibc's allocator adds to a piece of memory, its rounding up to 16 included.
const ALLOCATION: usize = 16;

/// Changes of value after which a head is written tick by tick: half of what that takes.
const RUNS: usize = 32;

/// Takes samples: the tick of the block, and the value.
pub(super) type See<'a> = dyn FnMut(usize, f64) + 'a;

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
}

/// A series in the block that is being written.
#[derive(Clone, Debug, Default)]
pub(super) enum Head {
    /// Nothing yet.
    #[default]
    Empty,
    /// One value from this tick of the block on.
    One(u8, f64),
    /// Values, each from its tick on.
    Runs(Vec<(u8, f64)>),
    /// A value for each tick.
    Dense(Vec<f64>),
}

impl Head {
    /// Sets the value from the tick `at` of the block on. To be called at every tick at which the series has a sample.
    pub fn push(&mut self, at: usize, value: f64) {
        let value = if value.is_nan() && !is_stale(value) { f64::NAN } else { value };
        self.set(at, value);
    }

    /// Ends the series: a staleness marker at this tick, nothing after it.
    pub fn end(&mut self, at: usize) {
        self.set(at, STALE);
        if at + 1 < TICKS && !matches!(self, Head::Dense(_)) {
            self.set(at + 1, ABSENT);
        }
    }

    fn set(&mut self, at: usize, value: f64) {
        let tick = at as u8;
        match self {
            Head::Empty => *self = Head::One(tick, value),
            Head::One(_, last) if same(*last, value) => {}
            Head::One(first, last) => {
                let mut runs = Vec::with_capacity(4);
                runs.extend([(*first, *last), (tick, value)]);
                *self = Head::Runs(runs);
            }
            Head::Runs(runs) => match runs.last().copied() {
                Some((_, last)) if same(last, value) => {}
                // A series that ended and comes back at the next tick.
                Some((from, _)) if from == tick => {
                    runs.pop();
                    runs.push((tick, value));
                }
                _ if runs.len() < RUNS => runs.push((tick, value)),
                _ => {
                    let mut dense = Vec::with_capacity(TICKS);
                    spread(runs, at, &mut |_, v| dense.push(v));
                    dense.push(value);
                    *self = Head::Dense(dense);
                }
            },
            Head::Dense(dense) => {
                dense.resize(at, ABSENT);
                dense.push(value);
            }
        }
    }

    /// Bytes beyond itself.
    pub fn bytes(&self) -> usize {
        match self {
            Head::Empty | Head::One(..) => 0,
            Head::Runs(runs) => runs.capacity() * size_of::<(u8, f64)>(),
            Head::Dense(dense) => dense.capacity() * size_of::<f64>(),
        }
    }

    /// Every sample up to tick `ticks` (excluded) of the block.
    pub fn each(&self, ticks: usize, see: &mut See) {
        let mut present = |at: usize, value: f64| {
            if !same(value, ABSENT) {
                see(at, value);
            }
        };
        match self {
            Head::Empty => {}
            Head::One(first, value) => (usize::from(*first)..ticks).for_each(|at| present(at, *value)),
            Head::Runs(runs) => spread(runs, ticks, &mut present),
            Head::Dense(dense) => dense.iter().take(ticks).enumerate().for_each(|(at, value)| present(at, *value)),
        }
    }

    /// What it becomes when the block ends after so many ticks; `None` where there is no sample.
    pub fn seal(&self, ticks: usize) -> Option<Chunk> {
        let mut values = vec![ABSENT; ticks];
        self.each(ticks, &mut |at, value| values[at] = value);
        Chunk::of(&values)
    }
}

/// Calls `see` for each tick from the first run on, up to `ticks` (excluded); ticks before it are absent.
fn spread(runs: &[(u8, f64)], ticks: usize, see: &mut See) {
    let first = runs.first().map_or(ticks, |(from, _)| usize::from(*from));
    (0..first.min(ticks)).for_each(|at| see(at, ABSENT));
    for (index, (from, value)) in runs.iter().enumerate() {
        let to = runs.get(index + 1).map_or(ticks, |(next, _)| usize::from(*next));
        (usize::from(*from)..to.min(ticks)).for_each(|at| see(at, *value));
    }
}

/// A series in a block that is over: samples from `first` on, then a staleness marker if it ended, then nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    first: u8,
    stale: bool,
    body: Body,
}

/// The cheapest of these that says the same, bit for bit.
#[derive(Clone, Debug, PartialEq)]
enum Body {
    /// One value, so many times.
    Constant(f64, u8),
    /// Values, each from its tick on; how many ticks in all.
    Runs(Box<[(u8, f64)]>, u8),
    /// `(base + unit * delta) / per`, one delta a tick after the first.
    Steps { base: i64, unit: i64, per: u32, deltas: Deltas },
    /// A value for each tick.
    Full(Box<[f64]>),
}

/// Differences between neighbours in the fewest bytes that hold all of them.
#[derive(Clone, Debug, PartialEq)]
enum Deltas {
    One(Box<[i8]>),
    Two(Box<[i16]>),
    Four(Box<[i32]>),
}

/// What a value may be a whole number of: counts and bytes, milliseconds (times), nanoseconds (durations, CPU).
const PARTS: [u32; 3] = [1, 1_000, 1_000_000_000];

impl Chunk {
    fn of(values: &[f64]) -> Option<Chunk> {
        let first = values.iter().position(|v| !same(*v, ABSENT))?;
        let last = values.iter().rposition(|v| !same(*v, ABSENT))?;
        let stale = is_stale(values[last]);
        let body = Body::of(&values[first..last + usize::from(!stale)]);
        Some(Chunk { first: first as u8, stale, body })
    }

    /// The value, if it is the only one and there is a sample at each of so many ticks.
    pub fn constant(&self, ticks: usize) -> Option<f64> {
        match self.body {
            Body::Constant(value, n) if usize::from(n) == ticks && !self.stale => Some(value),
            _ => None,
        }
    }

    /// Bytes that it takes with its counters of owners and what the allocator keeps for itself.
    pub fn bytes(&self) -> usize {
        let own = size_of::<Chunk>() + 16 + ALLOCATION;
        own + match &self.body {
            Body::Constant(..) => 0,
            Body::Runs(runs, _) => runs.len() * size_of::<(u8, f64)>() + ALLOCATION,
            Body::Steps { deltas, .. } => deltas.bytes() + ALLOCATION,
            Body::Full(values) => values.len() * size_of::<f64>() + ALLOCATION,
        }
    }

    /// Every sample with its tick of the block.
    pub fn each(&self, see: &mut See) {
        let first = usize::from(self.first);
        let mut end = first;
        self.body.each(&mut |at, value| {
            end = first + at + 1;
            if !same(value, ABSENT) {
                see(first + at, value);
            }
        });
        if self.stale {
            see(end, STALE);
        }
    }
}

impl Body {
    fn of(values: &[f64]) -> Body {
        let mut runs: Vec<(u8, f64)> = Vec::new();
        for (at, value) in values.iter().enumerate() {
            if runs.last().is_none_or(|(_, last)| !same(*last, *value)) {
                runs.push((at as u8, *value));
            }
        }
        let ticks = values.len() as u8;
        match runs[..] {
            [] => return Body::Constant(0.0, 0),
            [(_, value)] => return Body::Constant(value, ticks),
            _ => {}
        }
        let by_run = runs.len() * size_of::<(u8, f64)>();
        let steps = PARTS.iter().find_map(|per| Body::steps(values, *per));
        let by_step = steps.as_ref().map_or(usize::MAX, |(_, bytes)| *bytes);
        match steps {
            Some((steps, _)) if by_step < by_run => steps,
            _ if by_run < size_of_val(values) => Body::Runs(runs.into(), ticks),
            _ => Body::Full(values.into()),
        }
    }

    /// As whole numbers of `1 / per`, if every one is one exactly.
    fn steps(values: &[f64], per: u32) -> Option<(Body, usize)> {
        let whole = |value: &f64| {
            let scaled = (value * f64::from(per)).round();
            // Beyond 2^53 a float no longer counts one by one.
            let fits = scaled.abs() < 9e15 && same(scaled as i64 as f64 / f64::from(per), *value);
            fits.then_some(scaled as i64)
        };
        let whole: Vec<i64> = values.iter().map(whole).collect::<Option<_>>()?;
        let differences: Vec<i64> = whole.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let unit = differences.iter().fold(0, |a, b| divisor(a, b.unsigned_abs())).max(1) as i64;
        let most = differences.iter().map(|d| (d / unit).unsigned_abs()).max()?;
        let deltas = differences.iter().map(|d| d / unit);
        let deltas = match most {
            0..=0x7f => Deltas::One(deltas.map(|d| d as i8).collect()),
            0x80..=0x7fff => Deltas::Two(deltas.map(|d| d as i16).collect()),
            0x8000..=0x7fff_ffff => Deltas::Four(deltas.map(|d| d as i32).collect()),
            _ => return None,
        };
        let bytes = deltas.bytes();
        Some((Body::Steps { base: whole[0], unit, per, deltas }, bytes))
    }

    fn each(&self, see: &mut See) {
        match self {
            Body::Constant(value, n) => (0..usize::from(*n)).for_each(|at| see(at, *value)),
            Body::Runs(runs, n) => spread(runs, usize::from(*n), see),
            Body::Full(values) => values.iter().enumerate().for_each(|(at, value)| see(at, *value)),
            Body::Steps { base, unit, per, deltas } => {
                let mut whole = *base;
                see(0, whole as f64 / f64::from(*per));
                deltas.each(&mut |at, delta| {
                    whole += delta * unit;
                    see(at + 1, whole as f64 / f64::from(*per));
                });
            }
        }
    }
}

impl Deltas {
    fn bytes(&self) -> usize {
        match self {
            Deltas::One(all) => all.len(),
            Deltas::Two(all) => 2 * all.len(),
            Deltas::Four(all) => 4 * all.len(),
        }
    }

    fn each(&self, see: &mut dyn FnMut(usize, i64)) {
        match self {
            Deltas::One(all) => all.iter().enumerate().for_each(|(at, d)| see(at, i64::from(*d))),
            Deltas::Two(all) => all.iter().enumerate().for_each(|(at, d)| see(at, i64::from(*d))),
            Deltas::Four(all) => all.iter().enumerate().for_each(|(at, d)| see(at, i64::from(*d))),
        }
    }
}

/// The greatest common divisor; of 0 and a number: the number.
fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes values (`None`: absent) as a daemon would, and reads them back from the head and from the chunk.
    fn round(values: &[Option<f64>]) -> Option<Chunk> {
        let mut head = Head::default();
        let mut expected: Vec<(usize, u64)> = Vec::new();
        let mut live = false;
        for (at, value) in values.iter().enumerate() {
            match value {
                Some(value) => head.push(at, *value),
                None if live => head.end(at),
                None => {}
            }
            expected.extend(value.map(|v| (at, v.to_bits())));
            expected.extend((live && value.is_none()).then_some((at, STALE.to_bits())));
            live = value.is_some();
        }
        let mut seen = Vec::new();
        head.each(values.len(), &mut |at, value| seen.push((at, value.to_bits())));
        assert_eq!(seen, expected, "the head {head:?}");
        let chunk = head.seal(values.len());
        let mut seen = Vec::new();
        chunk.iter().for_each(|chunk| chunk.each(&mut |at, value| seen.push((at, value.to_bits()))));
        assert_eq!(seen, expected, "the chunk {chunk:?}");
        chunk
    }

    fn all(n: usize, of: impl Fn(usize) -> f64) -> Option<Chunk> {
        round(&(0..n).map(|at| Some(of(at))).collect::<Vec<_>>())
    }

    #[test]
    fn each_shape_comes_back_bit_for_bit_in_the_cheapest_form() {
        let body = |chunk: Option<Chunk>| chunk.expect("samples").body;
        assert_eq!(body(all(120, |_| 4.5)), Body::Constant(4.5, 120));
        assert_eq!(all(120, |_| 4.5).and_then(|c| c.constant(120)), Some(4.5));
        assert!(matches!(body(all(120, |at| [1.5, 2.5][at / 60])), Body::Runs(..)));
        assert!(matches!(body(all(120, |at| at as f64)), Body::Steps { per: 1, deltas: Deltas::One(_), .. }));
        let pages = |at: usize| (4096 * (1_000_000 + (at * 7919) % 200)) as f64;
        assert!(matches!(body(all(120, pages)), Body::Steps { unit: 4096, .. }));
        let time = |at: usize| (1_790_000_000_123 + 1003 * at as i64) as f64 / 1000.0;
        assert!(matches!(body(all(120, time)), Body::Steps { per: 1000, deltas: Deltas::One(_), .. }));
        let cpu = |at: usize| (77_000_000_123_i64 + 990_000_017 * at as i64) as f64 / 1e9;
        assert!(matches!(body(all(120, cpu)), Body::Steps { per: 1_000_000_000, .. }));
        assert!(matches!(body(all(120, |at| (at as f64).sqrt().sin())), Body::Full(_)));
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::MIN_POSITIVE] {
            all(120, |at| if at % 2 == 0 { odd } else { at as f64 });
            all(3, |_| odd);
        }
    }

    #[test]
    fn series_begin_end_and_come_back_within_a_block() {
        for of in [|_: usize| 1.0, |at: usize| at as f64, |at: usize| (at as f64).sin()] {
            for (from, to) in [(0, 120), (0, 1), (5, 6), (119, 120), (50, 100), (0, 0), (3, 119)] {
                let lives = |at: usize| (from..to).contains(&at);
                round(&(0..120).map(|at| lives(at).then(|| of(at))).collect::<Vec<_>>());
                round(&(0..120).map(|at| (!lives(at)).then(|| of(at))).collect::<Vec<_>>());
            }
            round(&(0..120).map(|at| (at % 3 != 1).then(|| of(at))).collect::<Vec<_>>());
            round(&(0..120).map(|at| (at % 7 < 4).then(|| of(at))).collect::<Vec<_>>());
        }
        assert_eq!(round(&[None; 10]), None);
    }

    #[test]
    fn foreign_nans_are_no_markers() {
        let mut head = Head::default();
        head.push(0, ABSENT);
        let mut seen = Vec::new();
        head.each(1, &mut |_, value| seen.push(value));
        assert!(seen.len() == 1 && seen[0].is_nan() && !is_stale(seen[0]));
    }

    #[test]
    fn a_block_may_end_early() {
        let chunk = all(7, |at| at as f64).expect("samples");
        assert_eq!(chunk.constant(7), None);
        assert!(chunk.bytes() < 7 * 8 + size_of::<Chunk>() + 16 + 2 * ALLOCATION);
    }
}
