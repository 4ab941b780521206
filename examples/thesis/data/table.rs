//! Data ready for training: features, targets, and what they are called.

use std::collections::HashSet;
use std::error::Error;

use linfa::Dataset;
use ndarray::{Array1, Array2, Axis, Ix1};

use super::frame::{Column, Frame, Kind};
use crate::model::Task;

/// Rows in the order of the file, columns their features; targets are numbers, or the places of classes.
pub type Data = Dataset<f64, f64, Ix1>;

/// A data set.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Whether the values are made up.
    pub synthetic: bool,
    /// What the targets are.
    pub task: Task,
    /// The values.
    pub data: Data,
}

/// What of a frame is what.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// The column to predict.
    pub target: String,
    /// Columns to leave out.
    pub dropped: Vec<String>,
}

impl Table {
    /// Takes the roles' target and features from a frame. A feature of classes becomes a column of 0 and 1 for each class
    /// but the first. Missing values are refused: this trainer does not guess any.
    pub fn of(name: &str, frame: Frame, roles: &Roles) -> Result<Table, Box<dyn Error>> {
        let target = frame.place(&roles.target)?;
        let dropped = roles.dropped.iter().map(|name| frame.place(name)).collect::<Result<HashSet<_>, _>>()?;
        let task = match &frame.columns[target].kind {
            Kind::Number => Task::Regression,
            Kind::Classes(classes) if classes.len() >= 2 => Task::Classes(classes.len()),
            Kind::Classes(_) => return Err(format!("the target `{}` has one class only", roles.target).into()),
            Kind::Other => return Err(format!("the target `{}` is neither numbers nor classes", roles.target).into()),
        };
        let features = features(&frame, |place| place == target || dropped.contains(&place))?;
        let y =
            Array1::from(frame.values.iter().skip(target).step_by(frame.columns.len()).copied().collect::<Vec<_>>());
        complete(y.iter(), &roles.target)?;
        let rows = y.len();
        if rows == 0 || features.is_empty() {
            return Err(format!("{rows} rows with {} features; there is nothing to learn from", features.len()).into());
        }
        let names: Vec<String> = features.iter().map(|feature| feature.name.clone()).collect();
        let x = Array2::from_shape_vec((rows, features.len()), values(frame, &features))?;
        for (column, name) in x.columns().into_iter().zip(&names) {
            complete(column.iter(), name)?;
        }
        let data = Dataset::new(x, y).with_feature_names(names);
        Ok(Table { name: name.into(), synthetic: false, task, data })
    }

    /// The name for people: made-up data say so wherever they show up.
    pub fn title(&self) -> String {
        if self.synthetic { format!("{} (SYNTHETIC data)", self.name) } else { self.name.clone() }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.data.targets.len()
    }

    /// Features of a row.
    pub fn features(&self) -> usize {
        self.data.records.ncols()
    }

    /// The same without rows that repeat an earlier one, features and target.
    pub fn without_duplicates(&self) -> Table {
        let mut seen = HashSet::new();
        let mut is_new = |row: &usize| {
            let values = self.data.records.row(*row).into_iter().chain([&self.data.targets[*row]]);
            seen.insert(values.map(|value| value.to_bits()).collect::<Vec<u64>>())
        };
        let kept: Vec<usize> = (0..self.rows()).filter(|row| is_new(row)).collect();
        let data = Dataset::new(self.data.records.select(Axis(0), &kept), self.data.targets.select(Axis(0), &kept));
        Table { data, ..self.clone() }
    }
}

/// One feature: a column, or one class of it.
struct Feature {
    name: String,
    place: usize,
    class: Option<usize>,
}

impl Feature {
    fn of(&self, row: &[f64]) -> f64 {
        let value = row[self.place];
        match self.class {
            Some(class) if !value.is_nan() => f64::from(value == class as f64),
            _ => value,
        }
    }
}

fn features(frame: &Frame, is_out: impl Fn(usize) -> bool) -> Result<Vec<Feature>, String> {
    let mut features = Vec::new();
    for (place, Column { name, kind }) in frame.columns.iter().enumerate().filter(|(place, _)| !is_out(*place)) {
        match kind {
            Kind::Number => features.push(Feature { name: name.clone(), place, class: None }),
            Kind::Classes(classes) => features.extend(classes.iter().enumerate().skip(1).map(|(class, of)| Feature {
                name: format!("{name}={of}"),
                place,
                class: Some(class),
            })),
            Kind::Other => return Err(format!("column `{name}` holds text or dates; leave it out by --drop {name}")),
        }
    }
    Ok(features)
}

/// The features' values, in the memory of the frame: some sets are large.
fn values(frame: Frame, features: &[Feature]) -> Vec<f64> {
    let width = frame.columns.len();
    let mut values = frame.values;
    if features.len() > width {
        return values.chunks_exact(width).flat_map(|row| features.iter().map(|feature| feature.of(row))).collect();
    }
    let mut row = vec![0.0; width];
    let rows = values.len() / width;
    for place in 0..rows {
        row.copy_from_slice(&values[place * width..][..width]);
        for (to, feature) in values[place * features.len()..].iter_mut().zip(features) {
            *to = feature.of(&row);
        }
    }
    values.truncate(rows * features.len());
    values
}

fn complete<'a>(values: impl Iterator<Item = &'a f64>, name: &str) -> Result<(), String> {
    match values.filter(|value| !value.is_finite()).count() {
        0 => Ok(()),
        count => Err(format!("column `{name}` lacks {count} values; this trainer does not guess any")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let text = "@attribute a real\n@attribute kind {x,y,z}\n@attribute note string\n@attribute t {no,yes}\n@data\n\
                    1,x,p,no\n2,z,q,yes\n1,x,r,no\n";
        super::super::arff::read(text.as_bytes()).expect("sound")
    }

    fn roles(target: &str, dropped: &[&str]) -> Roles {
        Roles { target: target.into(), dropped: dropped.iter().map(|name| name.to_string()).collect() }
    }

    #[test]
    fn classes_become_columns_of_zeros_and_ones() {
        let table = Table::of("t", frame(), &roles("t", &["note"])).expect("sound");
        assert_eq!(table.task, Task::Classes(2));
        assert_eq!(table.data.feature_names(), ["a", "kind=y", "kind=z"]);
        assert_eq!(table.data.records, ndarray::array![[1.0, 0.0, 0.0], [2.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
        assert_eq!(table.data.targets, ndarray::array![0.0, 1.0, 0.0]);
        assert_eq!((table.without_duplicates().rows(), table.features()), (2, 3));
    }

    #[test]
    fn what_cannot_be_trained_on_is_refused() {
        let error = |frame: Frame, roles: &Roles| Table::of("t", frame, roles).expect_err("refused").to_string();
        assert_eq!(error(frame(), &roles("t", &[])), "column `note` holds text or dates; leave it out by --drop note");
        assert!(error(frame(), &roles("u", &["note"])).starts_with("there is no column `u`"));
        let mut holes = frame();
        holes.values[0] = f64::NAN;
        assert_eq!(error(holes, &roles("t", &["note"])), "column `a` lacks 1 values; this trainer does not guess any");
    }
}
