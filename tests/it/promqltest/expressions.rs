//! Random expressions as rules have them, over the series of [`super::samples`].
//!
//! They keep clear of what Prometheus 2.42, the one that can be asked, does otherwise than 3.14, the one that is meant:
//!
//! - Ranges and lookback are closed on the left in 2.42. Samples stand at 1 ms, evaluations at 2 ms past a multiple of 4 ms,
//!   and all durations are multiples of 4 ms, so that nothing stands on a border. A subquery's times are multiples of its step, so that those of one in another
//!   would: never both.
//! - `rate` and `increase` extrapolate to 0 in another order. It shows only where a window's first sample is later than
//!   1.1 intervals and the counter is near 0: series with resets have no gaps, series with gaps are far from 0.
//! - `stddev` and `stdvar` of one infinity are 0 in 2.42: only of series without.
//! - `topk` and `bottomk` choose any of equals: only of series that never are equal, nor NaN.
//! - `predict_linear` loses its samples under `@` after the first step of a range query in 2.42: never both.
//! - `deriv` and `predict_linear` give NaN wherever 2.42 meets an infinity, since its compensated sum does not bear one: only of
//!   series without.
//! - `atan2` keeps the name in 2.42: only between numbers.
//! - `holt_winters` has another name, `mad_over_time`, `sort_by_label`, `limitk` and others are not there: not at all.
//! - Last bits may differ: no remainder, no `count_values` and no huge power of what was rounded.
//! - Where 2.42 sums plainly, 3.14 compensates: values are multiples of 1/1024 that no sum rounds.

use super::random::Random;

/// Ranges: multiples of 4 ms.
const WINDOWS: [&str; 8] = ["12s400ms", "20s", "40s", "1m", "1m30s", "2m", "3m20s", "5m"];
/// Offsets.
const OFFSETS: [&str; 6] = ["5s", "37s200ms", "1m", "4m", "-30s", "-1m4ms"];
/// Steps of subqueries.
const STEPS: [&str; 4] = ["5s", "10s", "12s400ms", "1m"];
/// Numbers.
const NUMBERS: [&str; 14] = ["0", "1", "2", "0.5", "100", "1e3", "-1", "3.25", "0.1", "500", "1e6", "-7", "NaN", "Inf"];
/// Of one vector each, element by element.
const MATHS: [&str; 31] = [
    "abs",
    "ceil",
    "floor",
    "round",
    "sgn",
    "sqrt",
    "ln",
    "log2",
    "log10",
    "deg",
    "rad",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "sort",
    "sort_desc",
    "year",
    "month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
];
/// Of a range each.
const OVER_TIME: [&str; 11] = [
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "changes",
    "resets",
    "delta",
    "idelta",
];

/// Writes expressions.
pub struct Expressions<'a> {
    random: &'a mut Random,
    /// Times for `@`, milliseconds.
    times: (i64, i64),
    /// Whether what is written stands in a subquery.
    in_subquery: bool,
}

impl<'a> Expressions<'a> {
    /// Over samples between these times, which are 2 ms past a multiple of 4 ms.
    pub fn new(random: &'a mut Random, times: (i64, i64)) -> Expressions<'a> {
        Expressions { random, times, in_subquery: false }
    }

    /// One that nests at most so deep.
    pub fn any(&mut self, depth: u32) -> String {
        match self.random.below(20) {
            0..8 => self.trial(depth),
            8..11 => self.experiment(depth),
            11..19 => self.wide(depth),
            _ => self.scalar(depth),
        }
    }

    /// At most one element for each (trial, experiment), with these labels alone beside a name.
    fn trial(&mut self, depth: u32) -> String {
        let Some(deeper) = depth.checked_sub(1) else {
            let name = self.random.pick(&["gauge_calm", "gauge_calm", "bytes_total"]);
            return self.selector(name);
        };
        match self.random.below(14) {
            0 => self.selector("gauge_calm"),
            1 => format!("({} % {})", self.selector("bytes_total"), self.number()),
            2 => self.over_time("gauge_calm", deeper),
            3 => self.counted("bytes_total"),
            4 => {
                let name = self.random.pick(&["gauge_calm", "bytes_total"]);
                self.trend(name)
            }
            5 => format!("{} by (trial, experiment) ({})", self.aggregation(), self.wide(deeper)),
            6 => format!("{}({})", self.random.pick(&MATHS), self.trial(deeper)),
            7 => format!("({} {} {})", self.trial(deeper), self.arithmetic(), self.scalar(deeper)),
            8 => format!("{}({} / 100)", self.random.pick(&["exp", "sinh", "cosh"]), self.selector("gauge_calm")),
            9 => format!("({} {} {})", self.trial(deeper), self.arithmetic(), self.trial(deeper)),
            10 => format!("({} {} {})", self.trial(deeper), self.comparison(), self.scalar(deeper)),
            11 => format!("({} {} {})", self.trial(deeper), self.comparison(), self.trial(deeper)),
            12 => format!(
                "({} {} {})",
                self.trial(deeper),
                self.random.pick(&["and", "or", "unless"]),
                self.trial(deeper)
            ),
            _ => self.grouped(deeper),
        }
    }

    /// Many on one side.
    fn grouped(&mut self, depth: u32) -> String {
        let (many, one) = (self.trial(depth), self.experiment(depth));
        let operator = if self.random.permille(500) { self.arithmetic() } else { self.comparison() };
        match self.random.below(4) {
            0 => format!("({many} {operator} on (experiment) group_left () {one})"),
            1 => format!("({one} {operator} ignoring (trial, tier) group_right () {many})"),
            2 => format!("({many} {operator} on (experiment) group_left (tier) budget)"),
            _ => format!("({many} {} on (experiment) {one})", self.random.pick(&["and", "unless", "or"])),
        }
    }

    /// At most one element for each experiment.
    fn experiment(&mut self, depth: u32) -> String {
        let deeper = depth.saturating_sub(1);
        match self.random.below(if depth == 0 { 2 } else { 7 }) {
            0 => format!("max by (experiment) ({})", self.selector("budget")),
            1 => format!("{} by (experiment) ({})", self.aggregation(), self.selector("gauge_calm")),
            2 | 3 => format!("{} by (experiment) ({})", self.aggregation(), self.trial(deeper)),
            4 => format!("{} by (experiment) ({})", self.aggregation(), self.wide(deeper)),
            5 => format!("({} {} {})", self.experiment(deeper), self.arithmetic(), self.experiment(deeper)),
            _ => {
                let how = self.random.pick(&["stddev", "stdvar", "quantile", "quantile"]);
                let parameter = if how == "quantile" { self.share() + ", " } else { String::new() };
                format!("{how} by (experiment) ({parameter}{})", self.calm())
            }
        }
    }

    /// Any labels.
    fn wide(&mut self, depth: u32) -> String {
        let Some(deeper) = depth.checked_sub(1) else {
            let name = self.random.pick(&["gauge_wild", "gauge_wild", "steps_total"]);
            return self.selector(name);
        };
        match self.random.below(20) {
            0 => self.selector("gauge_wild"),
            1 => self.selector("steps_total"),
            2 | 3 => self.over_time("gauge_wild", deeper),
            4 | 5 => self.counted("steps_total"),
            6 => self.over_time("steps_total", deeper),
            7 => self.trend("steps_total"),
            8 => format!("({} {} {})", self.wide(deeper), self.arithmetic(), self.scalar(deeper)),
            9 => format!("({} {} {})", self.wide(deeper), self.comparison(), self.scalar(deeper)),
            10 => format!("{}{}({})", self.random.pick(&["topk", "bottomk"]), self.by(), self.ranked()),
            11 => self.histogram(),
            12 => self.relabelled(deeper),
            13 => self.absent(deeper),
            14 => format!("{}{} ({})", self.aggregation(), self.by(), self.trial(deeper)),
            15 => format!("-{}", self.trial(deeper)),
            17 => {
                let name = self.random.pick(&["gauge_wild", "steps_total", "gauge_calm"]);
                format!("count_values{} (\"value\", {})", self.by(), self.selector(name))
            }
            18 => {
                let date =
                    self.random.pick(&["hour", "minute", "day_of_week", "day_of_year", "days_in_month", "month"]);
                format!(
                    "{date}({})",
                    self.random.pick(&["", "vector(time())", "vector(time() * 2)", "timestamp(gauge_calm)"])
                )
            }
            16 => format!(
                "{}({})",
                self.random.pick(&["vector(time()) - timestamp", "timestamp"]),
                self.plain("gauge_wild")
            ),
            _ => {
                let (low, high) = (self.random.pick(&NUMBERS), self.random.pick(&NUMBERS));
                match self.random.below(3) {
                    0 => format!("clamp({}, {low}, {high})", self.wide(deeper)),
                    1 => format!("clamp_min({}, {low})", self.trial(deeper)),
                    _ => format!("round({}, {})", self.trial(deeper), self.random.pick(&["0.5", "10", "0.25", "-3"])),
                }
            }
        }
    }

    /// One number.
    pub fn scalar(&mut self, depth: u32) -> String {
        let Some(deeper) = depth.checked_sub(1) else { return self.number() };
        match self.random.below(9) {
            0..5 => self.number(),
            5 => format!("scalar({} ({}))", self.aggregation(), self.trial(deeper)),
            6 => self.random.pick(&["time()", "pi()", "scalar(vector(2))", "scalar(gauge_calm)"]).to_owned(),
            7 => format!("({} atan2 {})", self.number(), self.number()),
            _ => format!("({} {} {})", self.number(), self.arithmetic(), self.number()),
        }
    }

    fn number(&mut self) -> String {
        self.random.pick(&NUMBERS).to_owned()
    }

    fn share(&mut self) -> String {
        self.random.pick(&["0", "0.1", "0.5", "0.9", "0.99", "1", "1.5", "-1"]).to_owned()
    }

    /// Finite and positive.
    fn calm(&mut self) -> String {
        match self.random.below(3) {
            0 => self.selector("gauge_calm"),
            1 => format!("avg_over_time({})", self.matrix("gauge_calm")),
            _ => format!("{}_over_time({})", self.random.pick(&["stddev", "stdvar"]), self.matrix("gauge_calm")),
        }
    }

    /// A count and what never has two equal elements.
    fn ranked(&mut self) -> String {
        let count = self.random.pick(&["1", "2", "3", "100", "0", "scalar(vector(1))"]);
        match self.random.below(2) {
            0 => format!("{count}, {}", self.selector("gauge_calm")),
            _ => format!(
                "{count}, {}_over_time({})",
                self.random.pick(&["min", "max", "last"]),
                self.matrix("gauge_calm")
            ),
        }
    }

    fn aggregation(&mut self) -> &'static str {
        self.random.pick(&["sum", "avg", "min", "max", "count", "group", "sum"])
    }

    fn by(&mut self) -> &'static str {
        self.random.pick(&[
            "",
            " by (experiment)",
            " without (trial)",
            " by (trial, metric)",
            " without ()",
            " by ()",
            " by (nobody)",
        ])
    }

    fn arithmetic(&mut self) -> &'static str {
        self.random.pick(&["+", "-", "*", "/", "+", "-", "*", "/", "^"])
    }

    /// Scalars alone need `bool`, vectors may have it.
    fn comparison(&mut self) -> &'static str {
        self.random.pick(&[">", "<", ">=", "<=", "!=", "==", ">", "<", "> bool", "<= bool", "!= bool"])
    }

    fn plain(&mut self, name: &str) -> String {
        let own = match name {
            "gauge_wild" => "{metric=\"loss\"}",
            "steps_total" => "{mode=\"train\"}",
            "duration_bucket" => "{le!=\"0.5\"}",
            _ => "{experiment=\"e0\"}",
        };
        let odd = "{trial=~\"t[0-3]\", experiment!~\"e1|x\"}";
        let matchers = ["", "", "", own, own, "{trial!=\"t1\"}", "{missing=\"\", trial=~\"t.*\"}", odd];
        format!("{name}{}", self.random.pick(&matchers))
    }

    fn selector(&mut self, name: &str) -> String {
        self.plain(name) + &self.shift()
    }

    fn matrix(&mut self, name: &str) -> String {
        format!("{}[{}]{}", self.plain(name), self.random.pick(&WINDOWS), self.shift())
    }

    /// Offset and `@`, mostly none.
    fn shift(&mut self) -> String {
        let (from, to) = self.times;
        let at = from + 4 * self.random.between(0, (to - from) / 4);
        match self.random.below(20) {
            0..14 => String::new(),
            14..17 => self.offset(),
            17 => format!(" @ {}.{:03}", at / 1000, at % 1000),
            18 => format!(" @ {}.{:03}{}", at / 1000, at % 1000, self.offset()),
            _ => format!(" @ {}()", self.random.pick(&["start", "end"])),
        }
    }

    fn offset(&mut self) -> String {
        format!(" offset {}", self.random.pick(&OFFSETS))
    }

    fn over_time(&mut self, name: &str, depth: u32) -> String {
        let mut function = self.random.pick(&OVER_TIME).to_owned();
        if self.random.permille(120) {
            return format!("quantile_over_time({}, {})", self.share(), self.matrix(name));
        }
        if depth == 0 || self.in_subquery || self.random.permille(600) {
            return format!("{function}({})", self.matrix(name));
        }
        if function == "last_over_time" {
            function = "max_over_time".to_owned();
        }
        self.in_subquery = true;
        let inner = match name {
            "gauge_calm" => self.trial(depth - 1),
            _ => self.wide(depth - 1),
        };
        self.in_subquery = false;
        let (range, step, shift) = (self.random.pick(&WINDOWS), self.random.pick(&STEPS), self.shift());
        let default = self.random.permille(50);
        if default {
            format!("{function}(({inner})[4s:]{shift})")
        } else {
            format!("{function}(({inner})[{range}:{step}]{shift})")
        }
    }

    /// Of a counter.
    fn counted(&mut self, name: &str) -> String {
        let function = self.random.pick(&["rate", "rate", "increase", "increase", "irate"]);
        if name == "steps_total" && !self.in_subquery && self.random.permille(100) {
            return format!("{function}({}[{}:5s])", self.plain(name), self.random.pick(&WINDOWS[2..]));
        }
        format!("{function}({})", self.matrix(name))
    }

    /// Of a series without infinities.
    fn trend(&mut self, name: &str) -> String {
        if self.random.permille(400) {
            return format!("deriv({})", self.matrix(name));
        }
        let ahead = self.random.pick(&["600", "60", "0", "-30.5", "scalar(vector(120))"]);
        let mut offset = self.offset();
        if self.random.permille(700) {
            offset.clear();
        }
        format!("predict_linear({}[{}]{offset}, {ahead})", self.plain(name), self.random.pick(&WINDOWS))
    }

    fn histogram(&mut self) -> String {
        let share = self.share();
        match self.random.below(3) {
            0 => format!("histogram_quantile({share}, {})", self.plain("duration_bucket")),
            1 => format!("histogram_quantile({share}, rate({}))", self.matrix("duration_bucket")),
            _ => format!(
                "histogram_quantile({share}, sum by (experiment, le) (increase({})))",
                self.matrix("duration_bucket")
            ),
        }
    }

    fn relabelled(&mut self, depth: u32) -> String {
        let inner = self.trial(depth);
        match self.random.below(6) {
            0 => format!("label_replace({inner}, \"n\", \"$1-x\", \"trial\", \"t(.*)\")"),
            1 => format!("label_replace({inner}, \"experiment\", \"\", \"trial\", \".*\")"),
            2 => format!("label_replace({inner}, \"n\", \"${{n}}$0\", \"experiment\", \"(?P<n>[0-9]|e)1\")"),
            3 => format!("label_join({inner}, \"both\", \"/\", \"experiment\", \"trial\", \"nobody\")"),
            4 => format!("label_replace({inner}, \"__name__\", \"new:$1\", \"trial\", \"(t[0-2])\")"),
            _ => format!("label_replace({inner}, \"trial\", \"same\", \"experiment\", \"e0\")"),
        }
    }

    fn absent(&mut self, depth: u32) -> String {
        match self.random.below(3) {
            0 => format!("absent({})", self.selector("gauge_wild")),
            1 => format!("absent_over_time({})", self.matrix("bytes_total")),
            _ => format!("absent({})", self.trial(depth)),
        }
    }
}
