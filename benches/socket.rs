//! How many lines a second the socket server takes from real connections, per second of its thread's CPU:
//! `cargo bench --bench socket`.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use earlystop::model::{Counters, Limits, Position};
use earlystop::source::socket::{Batch, Connections, Listening, World, serve};
use earlystop::sys::process::Proc;
use rustix::time::{ClockId, clock_gettime};

/// Takes every batch at once, as a free engine would.
struct Sink(Arc<AtomicUsize>);

impl World for Sink {
    async fn locate(&self, _: Arc<Proc>) -> Position {
        Position::Outside
    }

    fn deliver(&self, batch: Batch) {
        self.0.fetch_add(batch.events.len(), Ordering::Relaxed);
    }
}

const LINE: &str = "{\"type\":\"step\",\"step\":1234567,\"n\":100,\"seconds\":0.51,\"phase\":\"train\",\"metrics\":{\"train_loss\":0.31}}\n";

fn main() {
    for (name, per_write, clients, lines) in [
        ("300 lines a write", 300, 1, 1_500_000),
        ("a line a write", 1, 1, 400_000),
        ("a line a write, 100 clients", 1, 100, 400_000),
    ] {
        let (taken, cpu) = round(per_write, clients, lines);
        println!("{name:28} {:5.2} M lines per CPU second", taken as f64 / cpu.as_secs_f64() / 1e6);
    }
}

fn round(per_write: usize, clients: usize, lines: usize) -> (usize, Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.sock");
    let listening = Listening::bind(&path, None).expect("a socket");
    let listener = listening.listener().expect("a descriptor");
    let taken = Arc::new(AtomicUsize::new(0));
    let sink = Sink(taken.clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connections = Arc::new(Connections::new(Arc::new(Counters::default())));
        runtime.block_on(async {
            tokio::select! {
                _ = serve(listener, sink, Limits::default(), connections) => {}
                _ = stopped => {}
            }
        });
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        tell.send(Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32)).expect("main waits");
    });
    let streams: Vec<_> = (0..clients).map(|_| UnixStream::connect(&path).expect("it listens")).collect();
    let bytes = LINE.repeat(per_write);
    for write in 0..lines / per_write {
        (&streams[write % clients]).write_all(bytes.as_bytes()).expect("it reads");
    }
    let wanted = lines / per_write * per_write;
    while taken.load(Ordering::Relaxed) < wanted {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(stop);
    (wanted, told.recv().expect("the server ends"))
}
