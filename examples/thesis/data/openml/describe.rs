//! What OpenML says about a set: JSON in which nearly everything is text.

use serde::Deserialize;

/// The answer to `data/ID`.
#[derive(Debug, Deserialize)]
pub struct DescriptionAnswer {
    /// What is in it.
    pub data_set_description: Description,
}

/// A set's description; fields that are not used here are left out.
#[derive(Clone, Debug, Deserialize)]
pub struct Description {
    /// Its name; others may bear it too.
    pub name: String,
    /// A text for people.
    #[serde(default)]
    pub description: Option<String>,
    /// `ARFF`, `Sparse_ARFF`, ...
    #[serde(default)]
    pub format: String,
    /// `active`, `deactivated` or `in_preparation`.
    #[serde(default)]
    pub status: Option<String>,
    /// Where the ARFF file is.
    pub url: String,
    parquet_url: Option<String>,
    /// The older name of the same.
    minio_url: Option<String>,
    /// Of the ARFF file, unpacked.
    pub md5_checksum: Option<String>,
    /// One column, or several with commas between.
    pub default_target_attribute: Option<String>,
}

/// The answer to `data/features/ID`.
#[derive(Debug, Deserialize)]
pub struct FeaturesAnswer {
    /// What is in it.
    pub data_features: Features,
}

/// A set's columns.
#[derive(Debug, Deserialize)]
pub struct Features {
    /// One each.
    pub feature: Vec<Feature>,
}

/// A column.
#[derive(Debug, Deserialize)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// "true" for columns that carry nothing to learn from.
    #[serde(default)]
    pub is_ignore: String,
    /// "true" for columns that number the rows.
    #[serde(default)]
    pub is_row_identifier: String,
    /// The classes of a nominal column.
    #[serde(default)]
    pub nominal_value: Option<OneOrMany>,
    /// The same in older answers: a list in JSON, as text.
    #[serde(default)]
    pub nominal_values: Option<String>,
}

/// PHP writes a list of one as the one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A list.
    Many(Vec<String>),
    /// Its only entry.
    One(String),
}

/// The answer to a question that cannot be answered, with status 412.
#[derive(Debug, Deserialize)]
pub struct ErrorAnswer {
    /// What is in it.
    pub error: ErrorOf,
}

/// Why.
#[derive(Debug, Deserialize)]
pub struct ErrorOf {
    /// A number, as text.
    pub code: String,
    /// Words.
    pub message: String,
}

impl Description {
    /// Where the Parquet file is.
    pub fn parquet(&self) -> Option<&str> {
        self.parquet_url.as_deref().or(self.minio_url.as_deref())
    }

    /// Whether the text says that the file is made up.
    pub fn is_synthetic(&self) -> bool {
        self.description.as_ref().is_some_and(|text| text.contains("SYNTHETIC"))
    }
}

impl Feature {
    /// Whether it is to be left out.
    pub fn is_out(&self) -> bool {
        self.is_ignore == "true" || self.is_row_identifier == "true"
    }

    /// The classes in OpenML's order, if it tells them.
    pub fn classes(&self) -> Option<Vec<String>> {
        match (&self.nominal_value, &self.nominal_values) {
            (Some(OneOrMany::Many(classes)), _) => Some(classes.clone()),
            (Some(OneOrMany::One(class)), _) => Some(vec![class.clone()]),
            (None, Some(text)) => serde_json::from_str(text).ok(),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_ways_of_writing_classes_are_read() {
        let read = |more: &str| {
            let text = format!(r#"{{"name":"c","data_type":"nominal","is_ignore":"true"{more}}}"#);
            serde_json::from_str::<Feature>(&text).expect("sound")
        };
        let both = Some(vec!["a".to_string(), "b".to_string()]);
        assert_eq!(read(r#","nominal_value":["a","b"]"#).classes(), both);
        assert_eq!(read(r#","nominal_values":"[\"a\",\"b\"]""#).classes(), both);
        assert_eq!(read(r#","nominal_value":"a""#).classes(), Some(vec!["a".to_string()]));
        assert_eq!(read("").classes(), None);
        assert!(read("").is_out());
    }
}
