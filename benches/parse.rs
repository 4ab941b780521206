//! How many lines a second one core understands: `cargo bench --bench parse`.

use std::hint::black_box;
use std::time::Instant;

use earlystop::model::Limits;
use earlystop::wire::frame::{Frame, Lines};
use earlystop::wire::{MAX_LINE, parse};

/// Bytes handed over at once, as the socket does.
const READ: usize = 32 * 1024;
/// Lines a round.
const LINES: usize = 200_000;

fn main() {
    let plain =
        r#"{"type":"step","step":1234567,"n":100,"seconds":0.51,"phase":"train","metrics":{"train_loss":0.31}}"#;
    let cases = [
        ("step, 100 bytes, a metric", plain.to_owned()),
        ("step, progress only", r#"{"type":"step","step":1234567}"#.to_owned()),
        ("step, type last", r#"{"step":1234567,"n":100,"seconds":0.51,"metrics":{"train_loss":0.31},"type":"step"}"#.to_owned()),
        ("step, bare NaN", r#"{"type": "step", "step": 1234567, "metrics": {"train_loss": NaN}}"#.to_owned()),
        ("hello", r#"{"type":"hello","v":1,"trial":"svm-b32-lr0.01-fold3","experiment":"red_wine","labels":{"algorithm":"svm"},"params":{"learning_rate":0.01},"objective":{"metric":"val_rmse","mode":"min"}}"#.to_owned()),
    ];
    let limits = Limits::default();
    for (name, line) in cases {
        let bytes = (line + "\n").repeat(LINES).into_bytes();
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            let mut lines = Lines::new(MAX_LINE);
            let mut taken = 0;
            for chunk in bytes.chunks(READ) {
                lines.push(chunk);
                while let Some(frame) = lines.next_line() {
                    if let Frame::Line(line) = frame {
                        taken += usize::from(black_box(parse(line, &limits)).is_ok());
                    }
                }
            }
            assert_eq!(taken, LINES);
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("{name:28} {:5.2} M lines/s {:6.0} ns a line", LINES as f64 / best / 1e6, best / LINES as f64 * 1e9);
    }
}
