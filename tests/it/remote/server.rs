//! A server that answers as badly as it is told to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// What it does with a request.
#[derive(Clone)]
pub enum Reply {
    /// These bytes; the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, and the end of the connection.
    Last(Vec<u8>),
    /// Nothing, for as long as the client stays.
    Silence,
    /// These bytes, one each so often.
    Drip(Vec<u8>, Duration),
}

/// A request: its head, and the values of its form.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: String,
    pub form: String,
}

impl Asked {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// With TLS or without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Plain,
    Tls,
    /// And wants to see a certificate of the client.
    MutualTls,
}

/// The server; it ends with its owner.
pub struct Server {
    pub address: String,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    /// Connections so far.
    pub accepted: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub fn start(speaks: Speaks, reply: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let (asked, accepted, stop) = <(Arc<Mutex<Vec<Asked>>>, Arc<AtomicUsize>, Arc<AtomicBool>)>::default();
        let tls = tls(speaks);
        let reply = Arc::new(reply);
        let (log, count, stopped) = (asked.clone(), accepted.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let (tls, log, reply) = (tls.clone(), log.clone(), reply.clone());
                std::thread::spawn(move || match tls {
                    None => converse(stream, &log, &*reply),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).expect("a sound configuration");
                        converse(StreamOwned::new(connection, stream), &log, &*reply);
                    }
                });
            }
        });
        Server { address, asked, accepted, stop }
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        self.asked.lock().expect("no thread of ours panics").len()
    }

    pub fn last(&self) -> Asked {
        self.asked.lock().expect("no thread of ours panics").last().expect("a request").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address);
    }
}

fn converse(mut stream: impl Read + Write, log: &Mutex<Vec<Asked>>, reply: &dyn Fn(usize, &Asked) -> Reply) {
    while let Some(asked) = request(&mut stream) {
        let number = {
            let mut log = log.lock().expect("no thread of ours panics");
            log.push(asked.clone());
            log.len()
        };
        let sent = match reply(number, &asked) {
            Reply::Bytes(bytes) => stream.write_all(&bytes).and_then(|()| stream.flush()),
            Reply::Last(bytes) => {
                let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
                return;
            }
            Reply::Silence => {
                let _ = stream.read(&mut [0; 1]);
                return;
            }
            Reply::Drip(bytes, pause) => bytes.chunks(1).try_for_each(|byte| {
                std::thread::sleep(pause);
                stream.write_all(byte).and_then(|()| stream.flush())
            }),
        };
        if sent.is_err() {
            return;
        }
    }
}

fn request(stream: &mut impl Read) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut one = [0; 1];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut one).ok()? == 0 {
            return None;
        }
        bytes.push(one[0]);
    }
    let head = String::from_utf8(bytes).ok()?;
    let mut asked = Asked { head, form: String::new() };
    let length = asked.header("content-length")?.trim().parse().ok()?;
    let mut form = vec![0; length];
    stream.read_exact(&mut form).ok()?;
    asked.form = String::from_utf8(form).ok()?;
    Some(asked)
}

/// A whole answer with a status and a body.
pub fn http(status: &str, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Prometheus's answer: an instant vector of these elements.
pub fn vector(elements: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{elements}]}}}}"#)
}

/// A series of the host `gpu1`.
pub fn ours(value: &str) -> String {
    format!(r#"{{"metric":{{"trial":"a","experiment":"e","instance":"gpu1"}},"value":[1.5,"{value}"]}}"#)
}

/// A file of the tests' data.
pub fn web(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/web").join(name)
}

fn tls(speaks: Speaks) -> Option<Arc<ServerConfig>> {
    let cert = CertificateDer::from_pem_file(web("cert.pem")).expect("the certificate");
    let key = PrivateKeyDer::from_pem_file(web("key.pem")).expect("the key");
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.expect("versions");
    let builder = match speaks {
        Speaks::Plain => return None,
        Speaks::Tls => builder.with_no_client_auth(),
        Speaks::MutualTls => {
            let mut roots = RootCertStore::empty();
            roots.add(cert.clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    Some(Arc::new(builder.with_single_cert(vec![cert], key).expect("they fit")))
}
