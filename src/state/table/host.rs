//! Readers: the host.

use super::Emit;
use super::system::one;
use crate::model::HostSample;

/// A metric of the host that rules may read.
#[derive(Clone, Copy, Debug)]
pub struct HostRow {
    /// Its name.
    pub name: &'static str,
    /// Reads its series. What is not known is not emitted.
    pub read: fn(&HostSample, &mut Emit),
}

/// The host's metrics, in the order of the exposition.
pub static HOST_METRICS: &[HostRow] = &[
    HostRow { name: "earlystop_host_memory_available_bytes", read: available },
    HostRow { name: "earlystop_host_memory_total_bytes", read: total },
    HostRow { name: "earlystop_host_cpu_utilization_ratio", read: cpu },
    HostRow { name: "earlystop_host_pressure_seconds_total", read: pressure },
];

fn available(host: &HostSample, emit: &mut Emit) {
    one(host.memory_available.map(|n| n as f64), emit);
}

fn total(host: &HostSample, emit: &mut Emit) {
    one(host.memory_total.map(|n| n as f64), emit);
}

fn cpu(host: &HostSample, emit: &mut Emit) {
    one(host.cpu_utilization, emit);
}

fn pressure(host: &HostSample, emit: &mut Emit) {
    for (resource, kind, seconds) in &host.pressure {
        emit(&[("resource", resource), ("kind", kind)], *seconds);
    }
}
