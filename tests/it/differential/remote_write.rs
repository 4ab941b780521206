//! Prometheus's remote write, as far as a test needs it: protobuf of four messages, snappy without compression.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use earlystop::promql::{Labels, Point};

/// Hands all samples over.
///
/// # Errors
/// What Prometheus said in place of 204.
pub fn send(address: &str, series: &[(Labels, Vec<Point>)]) -> Result<(), String> {
    let body = snappy(&request(series));
    let head = format!(
        "POST /api/v1/write HTTP/1.0\r\nHost: x\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n\
         X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let exchange = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = exchange().map_err(|e| e.to_string())?;
    if answer.split(' ').nth(1) == Some("204") { Ok(()) } else { Err(answer) }
}

/// `WriteRequest { repeated TimeSeries timeseries = 1; }`, `TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; }`,
/// `Label { string name = 1; string value = 2; }`, `Sample { double value = 1; int64 timestamp = 2; }`.
fn request(series: &[(Labels, Vec<Point>)]) -> Vec<u8> {
    let mut request = Vec::new();
    for (labels, points) in series {
        let mut one = Vec::new();
        for (name, value) in labels.pairs() {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut one, 1, &label);
        }
        for point in points {
            let mut sample = vec![1 << 3 | 1];
            sample.extend(point.v.to_le_bytes());
            sample.push(2 << 3);
            varint(&mut sample, point.t as u64);
            field(&mut one, 2, &sample);
        }
        field(&mut request, 1, &one);
    }
    request
}

fn field(into: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    into.push(number << 3 | 2);
    varint(into, bytes.len() as u64);
    into.extend(bytes);
}

fn varint(into: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        into.push(n as u8 | 0x80);
        n >>= 7;
    }
    into.push(n as u8);
}

/// Snappy's block format, literals alone: the length, then pieces of up to 64 KiB, each after its tag and its length less 1.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    varint(&mut block, bytes.len() as u64);
    for piece in bytes.chunks(1 << 16) {
        block.push(61 << 2);
        block.extend(((piece.len() - 1) as u16).to_le_bytes());
        block.extend(piece);
    }
    block
}
