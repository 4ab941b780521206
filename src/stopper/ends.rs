//! In which order trials have ended.

/// One that has ended and is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Its place in the field.
    pub place: usize,
    /// Its unit.
    pub unit: usize,
}

/// All that have ended, the first to end first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    /// Places, those included whose name a later attempt has taken.
    all: Vec<usize>,
    /// Those that are compared.
    listed: Vec<Ended>,
    revision: u64,
}

impl Ends {
    /// One more has ended; without a unit it is compared with nobody.
    pub fn push(&mut self, place: usize, unit: Option<usize>) {
        self.all.push(place);
        self.listed.extend(unit.map(|unit| Ended { place, unit }));
    }

    /// One has begun again.
    pub fn forget(&mut self, place: usize) {
        self.all.retain(|p| *p != place);
    }

    /// Those that are compared.
    pub fn listed(&self) -> &[Ended] {
        &self.listed
    }

    /// Changes with every change but a further end.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Something is said anew of one that has ended.
    pub fn revise(&mut self) {
        self.revision += 1;
    }

    /// Asks for everybody's unit again.
    pub fn seat(&mut self, unit_of: impl Fn(usize) -> Option<usize>) {
        let ended = |place: &usize| Some(Ended { place: *place, unit: unit_of(*place)? });
        let listed: Vec<Ended> = self.all.iter().filter_map(ended).collect();
        if listed != self.listed {
            self.listed = listed;
            self.revise();
        }
    }

    /// Puts them into this order; those that it does not name come behind, as they were.
    pub fn order(&mut self, places: &[usize]) {
        let rank: std::collections::HashMap<usize, usize> = places.iter().enumerate().map(|(i, p)| (*p, i)).collect();
        self.all.sort_by_key(|place| rank.get(place).copied().unwrap_or(usize::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::{End, Field, Peer};
    use crate::model::RunId;

    fn peer(name: &str, end: End) -> Peer {
        Peer { name: name.into(), end, ..Peer::default() }
    }

    fn names(field: &Field) -> Vec<&str> {
        field.ended().map(|(_, peer)| &*peer.name).collect()
    }

    #[test]
    fn trials_are_listed_as_they_end() {
        let mut f = Field::default();
        for (run, name) in [(1, "a"), (2, "b"), (3, "c")] {
            f.enter(RunId(run), peer(name, End::Running));
        }
        f.end(RunId(3), End::Cut);
        f.end(RunId(1), End::Complete);
        assert_eq!((names(&f), f.revision()), (vec!["c", "a"], 0), "a further end changes nothing of those before");
        f.report(RunId(2), 1.0, 0.5);
        assert_eq!(f.revision(), 0);
        f.report(RunId(3), 1.0, 0.5);
        assert_eq!(f.revision(), 1, "a report of one that has ended");
        f.end(RunId(3), End::Running);
        assert_eq!((names(&f), f.revision()), (vec!["a"], 2));
    }

    #[test]
    fn a_later_attempt_takes_the_place_of_one_that_has_ended() {
        let mut f = Field::default();
        f.enter(RunId(1), peer("a", End::Cut));
        f.enter(RunId(2), peer("b", End::Cut));
        f.enter(RunId(3), peer("a", End::Running));
        assert_eq!((names(&f), f.revision()), (vec!["b"], 1));
        f.end(RunId(3), End::Complete);
        assert_eq!((names(&f), f.revision()), (vec!["b", "a"], 1));
    }

    #[test]
    fn a_field_that_is_built_again_lists_them_as_before() {
        let mut f = Field::default();
        for (run, name) in [(1, "a"), (2, "b"), (3, "c")] {
            f.enter(RunId(run), peer(name, if run == 2 { End::Running } else { End::Cut }));
        }
        assert_eq!(names(&f), ["a", "c"]);
        f.ended_in([3, 7, 1].map(RunId).into_iter());
        f.end(RunId(2), End::Complete);
        assert_eq!(names(&f), ["c", "a", "b"]);
    }

    #[test]
    fn a_group_that_comes_apart_is_listed_by_its_folds() {
        let mut f = Field::default();
        let fold = |name: &str| Peer { group: Some("g".into()), ..peer(name, End::Complete) };
        f.enter(RunId(1), fold("g0"));
        f.enter(RunId(2), fold("g1"));
        assert_eq!(f.ended().map(|(unit, _)| unit).collect::<Vec<_>>(), [0, 0]);
        f.enter(RunId(3), peer("alone", End::Running));
        assert_eq!(f.ended().map(|(unit, _)| unit).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(f.revision(), 1);
    }
}
