//! One trial at one tick in a few dozen bytes: fixed little-endian fields, those that may be missing announced by a bit.

use std::sync::Arc;

use super::bytes::{Eye, Pen};
use crate::model::{Memory, Pair, ProcKey, ProcSample, RunId, TreeSample};

/// Layout of this version; a reader knows all up to its own.
const LAYOUT: u8 = 1;

const COMPLETE: u32 = 1;
const MEMORY: u32 = 1 << 1;
const SWAP: u32 = 1 << 2;
const PROPORTIONAL: u32 = 1 << 3;
const LIMIT: u32 = 1 << 4;
const UTILIZATION: u32 = 1 << 5;
const IO: u32 = 1 << 6;
const MAJOR_FAULTS: u32 = 1 << 7;
const SWITCHES: u32 = 1 << 8;
const MEMBERS: u32 = 1 << 9;

/// Packs a sample. Its members go along where it has any; whoever does not want them empties the list.
pub(super) fn encode(sample: &TreeSample) -> Vec<u8> {
    let bit = |present: bool, bit: u32| if present { bit } else { 0 };
    let bits = bit(sample.complete, COMPLETE)
        | bit(sample.memory.is_some(), MEMORY)
        | bit(sample.swap.is_some(), SWAP)
        | bit(sample.proportional.is_some(), PROPORTIONAL)
        | bit(sample.limit.is_some(), LIMIT)
        | bit(sample.utilization.is_some(), UTILIZATION)
        | bit(sample.io.is_some(), IO)
        | bit(sample.major_faults.is_some(), MAJOR_FAULTS)
        | bit(sample.switches.is_some(), SWITCHES)
        | bit(!sample.members.is_empty(), MEMBERS);
    let mut pen = Pen(Vec::with_capacity(128));
    pen.u8(LAYOUT);
    pen.u32(bits);
    pen.u32(sample.processes);
    pen.u32(sample.threads);
    pen.f64(sample.cpu.first);
    pen.f64(sample.cpu.second);
    if let Some(memory) = sample.memory {
        pen.u64(memory.resident);
        pen.u64(memory.shared);
    }
    [sample.swap, sample.proportional, sample.limit].into_iter().flatten().for_each(|value| pen.u64(value));
    sample.utilization.into_iter().for_each(|value| pen.f64(value));
    put_pair(&mut pen, sample.io);
    sample.major_faults.into_iter().for_each(|value| pen.u64(value));
    put_pair(&mut pen, sample.switches);
    if !sample.members.is_empty() {
        pen.u32(sample.members.len() as u32);
        sample.members.iter().for_each(|member| put_member(&mut pen, member));
    }
    pen.0
}

/// Unpacks it; `None` where the bytes are damaged or of a later layout.
pub(super) fn decode(run: RunId, bytes: &[u8]) -> Option<TreeSample> {
    let mut eye = Eye(bytes);
    if eye.u8()? != LAYOUT {
        return None;
    }
    let bits = eye.u32()?;
    let has = |bit: u32| bits & bit != 0;
    let (processes, threads) = (eye.u32()?, eye.u32()?);
    let cpu = Pair { first: eye.f64()?, second: eye.f64()? };
    let memory = match has(MEMORY) {
        true => Some(Memory { resident: eye.u64()?, shared: eye.u64()? }),
        false => None,
    };
    let swap = number(&mut eye, has(SWAP))?;
    let proportional = number(&mut eye, has(PROPORTIONAL))?;
    let limit = number(&mut eye, has(LIMIT))?;
    let utilization = number(&mut eye, has(UTILIZATION))?.map(f64::from_bits);
    let io = pair(&mut eye, has(IO))?;
    let major_faults = number(&mut eye, has(MAJOR_FAULTS))?;
    let switches = pair(&mut eye, has(SWITCHES))?;
    let count = if has(MEMBERS) { eye.u32()? } else { 0 };
    let members: Arc<[ProcSample]> = (0..count).map(|_| member(&mut eye)).collect::<Option<Vec<_>>>()?.into();
    let complete = has(COMPLETE);
    let sample = TreeSample {
        run,
        complete,
        memory,
        swap,
        proportional,
        limit,
        cpu,
        utilization,
        processes,
        threads,
        io,
        major_faults,
        switches,
        members,
    };
    eye.0.is_empty().then_some(sample)
}

fn put_pair(pen: &mut Pen, pair: Option<Pair<u64>>) {
    if let Some(pair) = pair {
        pen.u64(pair.first);
        pen.u64(pair.second);
    }
}

fn put_member(pen: &mut Pen, member: &ProcSample) {
    pen.u32(member.key.pid);
    pen.u64(member.key.start);
    pen.u64(member.key.inode);
    pen.f64(member.cpu_seconds);
    pen.text(&member.comm);
    pen.u8(member.memory.is_some().into());
    put_pair(pen, member.memory.map(|m| Pair { first: m.resident, second: m.shared }));
}

/// The outer `None`: damaged. The inner: not there.
fn number(eye: &mut Eye, there: bool) -> Option<Option<u64>> {
    if there { eye.u64().map(Some) } else { Some(None) }
}

fn pair(eye: &mut Eye, there: bool) -> Option<Option<Pair<u64>>> {
    if there { Some(Some(Pair { first: eye.u64()?, second: eye.u64()? })) } else { Some(None) }
}

fn member(eye: &mut Eye) -> Option<ProcSample> {
    let key = ProcKey { pid: eye.u32()?, start: eye.u64()?, inode: eye.u64()? };
    let cpu_seconds = eye.f64()?;
    let comm = eye.text()?.into();
    let there = eye.flag()?;
    let memory = pair(eye, there)?.map(|p| Memory { resident: p.first, shared: p.second });
    Some(ProcSample { key, memory, cpu_seconds, comm })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn full(run: RunId) -> TreeSample {
        let key = ProcKey { pid: 7, start: 8, inode: 9 };
        let memory = Some(Memory { resident: 1 << 40, shared: 4096 });
        let member = ProcSample { key, memory, cpu_seconds: 0.1, comm: "python3".into() };
        TreeSample {
            run,
            complete: true,
            memory,
            swap: Some(3),
            proportional: Some(4),
            limit: Some(u64::MAX),
            cpu: Pair { first: 0.1 + 0.2, second: 1e-9 },
            utilization: Some(3.999),
            processes: 2,
            threads: 64,
            io: Some(Pair { first: 1, second: 2 }),
            major_faults: Some(5),
            switches: Some(Pair { first: 3, second: 4 }),
            members: vec![member.clone(), ProcSample { memory: None, ..member }].into(),
        }
    }

    #[test]
    fn every_pattern_of_presence_comes_back() {
        for pattern in 0..1u32 << 10 {
            let has = |bit: u32| pattern & (1 << bit) != 0;
            let mut sample = full(RunId(1));
            sample.complete = has(0);
            sample.memory = sample.memory.filter(|_| has(1));
            sample.swap = sample.swap.filter(|_| has(2));
            sample.proportional = sample.proportional.filter(|_| has(3));
            sample.limit = sample.limit.filter(|_| has(4));
            sample.utilization = sample.utilization.filter(|_| has(5));
            sample.io = sample.io.filter(|_| has(6));
            sample.major_faults = sample.major_faults.filter(|_| has(7));
            sample.switches = sample.switches.filter(|_| has(8));
            sample.members = if has(9) { sample.members } else { Arc::from([]) };
            let bytes = encode(&sample);
            assert_eq!(decode(RunId(1), &bytes), Some(sample));
            assert_eq!(decode(RunId(1), &bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_tick_of_a_trial_is_small() {
        let sample = TreeSample { members: Arc::from([]), proportional: None, ..full(RunId(1)) };
        assert!(encode(&sample).len() <= 120, "{}", encode(&sample).len());
    }
}
