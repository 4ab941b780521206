//! The ledger's entries as bytes.

use std::sync::Arc;

use crate::journal::bytes::{Eye, Pen};
use crate::model::{
    Ladder, ProcKey, RunId, Rung, Shot, Signal, SignalResult, Signalled, StopId, StopOutcome, StopRecord, Target,
};

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// A stop began, or changed its rung or deadline.
    Stop(StopRecord),
    /// A signal is about to be given.
    Intent(Shot),
    /// What became of it.
    Outcome(Signalled),
    /// These processes are in the tree of the stop's trial, beside those that were told before.
    Members(StopId, Vec<ProcKey>),
    /// The stop is over.
    Closed(StopId, StopOutcome),
}

const STOP: u8 = 1;
const INTENT: u8 = 2;
const OUTCOME: u8 = 3;
const CLOSED: u8 = 4;
const MEMBERS: u8 = 5;

impl Entry {
    /// Its bytes, without length and checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut pen = Pen::default();
        match self {
            Entry::Stop(record) => {
                pen.u8(STOP);
                put_record(&mut pen, record);
            }
            Entry::Intent(shot) => {
                pen.u8(INTENT);
                put_shot(&mut pen, shot);
            }
            Entry::Outcome(signalled) => {
                pen.u8(OUTCOME);
                put_shot(&mut pen, &signalled.shot);
                pen.u8(index(&SignalResult::ALL, signalled.result));
            }
            Entry::Members(stop, keys) => {
                pen.u8(MEMBERS);
                pen.u128(stop.0);
                pen.u32(keys.len() as u32);
                keys.iter().for_each(|key| put_key(&mut pen, *key));
            }
            Entry::Closed(stop, outcome) => {
                pen.u8(CLOSED);
                pen.u128(stop.0);
                pen.u8(index(&StopOutcome::ALL, *outcome));
            }
        }
        pen.0
    }

    /// Reads them; `None` where they are no entry.
    pub fn decode(bytes: &[u8]) -> Option<Entry> {
        let mut eye = Eye(bytes);
        let entry = match eye.u8()? {
            STOP => Entry::Stop(take_record(&mut eye)?),
            INTENT => Entry::Intent(take_shot(&mut eye)?),
            OUTCOME => {
                let shot = take_shot(&mut eye)?;
                let result = *SignalResult::ALL.get(eye.u8()? as usize)?;
                Entry::Outcome(Signalled { shot, result })
            }
            MEMBERS => {
                let (stop, count) = (StopId(eye.u128()?), eye.u32()?);
                Entry::Members(stop, (0..count).map(|_| take_key(&mut eye)).collect::<Option<_>>()?)
            }
            CLOSED => Entry::Closed(StopId(eye.u128()?), *StopOutcome::ALL.get(eye.u8()? as usize)?),
            _ => return None,
        };
        eye.0.is_empty().then_some(entry)
    }
}

/// The place of a value in its closed list.
fn index<T: PartialEq>(all: &[T], value: T) -> u8 {
    all.iter().position(|v| *v == value).unwrap_or(u8::MAX as usize) as u8
}

fn put_key(pen: &mut Pen, key: ProcKey) {
    pen.u32(key.pid);
    pen.u64(key.start);
    pen.u64(key.inode);
}

fn take_key(eye: &mut Eye) -> Option<ProcKey> {
    Some(ProcKey { pid: eye.u32()?, start: eye.u64()?, inode: eye.u64()? })
}

fn put_shot(pen: &mut Pen, shot: &Shot) {
    pen.u128(shot.stop.0);
    pen.u128(shot.run.0);
    pen.u64(shot.rung as u64);
    put_key(pen, shot.key);
    pen.u32(shot.signal.0 as u32);
    pen.u8(shot.wake.into());
    pen.u32(shot.owner);
}

fn take_shot(eye: &mut Eye) -> Option<Shot> {
    Some(Shot {
        stop: StopId(eye.u128()?),
        run: RunId(eye.u128()?),
        rung: eye.u64()? as usize,
        key: take_key(eye)?,
        signal: Signal(eye.u32()? as i32),
        wake: eye.flag()?,
        owner: eye.u32()?,
    })
}

fn put_record(pen: &mut Pen, record: &StopRecord) {
    pen.u128(record.id.0);
    pen.u128(record.run.0);
    pen.text(&record.rule);
    pen.text(&record.reason);
    pen.u64(record.rung as u64);
    pen.u64(record.rung_since_ns);
    pen.u64(record.rung_until_ns);
    pen.text(&record.ladder.name);
    pen.u32(record.ladder.rungs.len() as u32);
    for rung in &record.ladder.rungs {
        pen.u8(rung.ask.into());
        pen.u32(rung.signal.map_or(0, |s| s.0 as u32));
        pen.u8((rung.to == Target::Trainer).into());
        pen.u64(rung.wait_ns);
        pen.u64(rung.max_ns);
    }
}

fn take_record(eye: &mut Eye) -> Option<StopRecord> {
    let id = StopId(eye.u128()?);
    let run = RunId(eye.u128()?);
    let rule = eye.text()?.into();
    let reason = eye.text()?.to_string();
    let rung = eye.u64()? as usize;
    let rung_since_ns = eye.u64()?;
    let rung_until_ns = eye.u64()?;
    let name = eye.text()?.into();
    let count = eye.u32()?;
    let rungs = (0..count).map(|_| take_rung(eye)).collect::<Option<Vec<_>>>()?;
    let ladder = Arc::new(Ladder { name, rungs });
    Some(StopRecord { id, run, rule, reason, ladder, rung, rung_since_ns, rung_until_ns })
}

fn take_rung(eye: &mut Eye) -> Option<Rung> {
    Some(Rung {
        ask: eye.flag()?,
        signal: match eye.u32()? {
            0 => None,
            number => Some(Signal(number as i32)),
        },
        to: if eye.flag()? { Target::Trainer } else { Target::Tree },
        wait_ns: eye.u64()?,
        max_ns: eye.u64()?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn record(id: u128) -> StopRecord {
        let mut ladder = Ladder::gentle();
        ladder.rungs[1].to = Target::Trainer;
        StopRecord {
            id: StopId(id),
            run: RunId(id + 1000),
            rule: "memory-cap".into(),
            reason: "memory 612 MiB > 512 MiB für 5s".into(),
            ladder: Arc::new(ladder),
            rung: 1,
            rung_since_ns: 7,
            rung_until_ns: u64::MAX,
        }
    }

    pub fn shot(id: u128, pid: u32) -> Shot {
        Shot {
            stop: StopId(id),
            run: RunId(id + 1000),
            rung: 1,
            key: ProcKey { pid, start: 99, inode: 5 },
            signal: Signal::TERM,
            wake: true,
            owner: 1000,
        }
    }

    #[test]
    fn every_entry_comes_back() {
        let mut entries = vec![Entry::Stop(record(1)), Entry::Intent(shot(1, 2))];
        entries.extend(SignalResult::ALL.map(|result| Entry::Outcome(Signalled { shot: shot(1, 2), result })));
        entries.extend(StopOutcome::ALL.map(|outcome| Entry::Closed(StopId(3), outcome)));
        for entry in entries {
            let bytes = entry.encode();
            assert_eq!(Entry::decode(&bytes), Some(entry));
            for cut in 0..bytes.len() {
                assert_eq!(Entry::decode(&bytes[..cut]), None);
            }
        }
    }
}
