//! Parquet, the other format in which OpenML serves data.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::frame::{Column, Frame, Kind};

/// Reads all of a file of flat columns. The error names the file.
pub fn read_parquet(path: &Path) -> Result<Frame, Box<dyn Error>> {
    let read = || -> Result<Frame, Box<dyn Error>> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let rows = reader.metadata().row_groups().iter().map(|group| group.num_rows()).sum::<i64>();
        let rows = usize::try_from(rows)?;
        let width = schema.num_columns();
        let mut frame = Frame { columns: Vec::new(), values: vec![f64::NAN; rows * width], synthetic: false };
        for (place, of) in schema.columns().iter().enumerate() {
            if of.max_rep_level() > 0 || of.path().parts().len() > 1 {
                return Err(format!("column `{}` holds lists or records, not single values", of.path()).into());
            }
            let (kind, values) = column(&reader, place, of, rows)?;
            frame.columns.push(Column { name: of.name().into(), kind });
            for (to, value) in frame.values.iter_mut().skip(place).step_by(width).zip(values) {
                *to = value;
            }
        }
        Ok(frame)
    };
    read().map_err(|error| format!("cannot read {}: {error}", path.display()).into())
}

/// A column's kind and its values in all row groups.
fn column(
    reader: &SerializedFileReader<File>,
    place: usize,
    of: &ColumnDescriptor,
    rows: usize,
) -> Result<(Kind, Vec<f64>), Box<dyn Error>> {
    let mut values = Vec::with_capacity(rows);
    let mut texts: Vec<Option<ByteArray>> = Vec::new();
    let mut kind = if is_number(of) { Kind::Number } else { Kind::Other };
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let count = usize::try_from(group.metadata().num_rows())?;
        match group_column(&*group, place)? {
            ColumnReader::BoolColumnReader(column) => {
                kind = Kind::Classes(vec!["false".into(), "true".into()]);
                values.extend(all(column, count)?.into_iter().map(|v| v.map_or(f64::NAN, f64::from)));
            }
            ColumnReader::Int32ColumnReader(column) => {
                values.extend(all(column, count)?.into_iter().map(|v| v.map_or(f64::NAN, f64::from)));
            }
            ColumnReader::Int64ColumnReader(column) => {
                values.extend(all(column, count)?.into_iter().map(|v| v.map_or(f64::NAN, |v| v as f64)));
            }
            ColumnReader::FloatColumnReader(column) => {
                values.extend(all(column, count)?.into_iter().map(|v| v.map_or(f64::NAN, f64::from)));
            }
            ColumnReader::DoubleColumnReader(column) => {
                values.extend(all(column, count)?.into_iter().map(|v| v.unwrap_or(f64::NAN)));
            }
            ColumnReader::ByteArrayColumnReader(column) => texts.extend(all(column, count)?),
            ColumnReader::Int96ColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
                values.resize(values.len() + count, f64::NAN);
            }
        }
    }
    if kind == Kind::Other && texts.len() == rows && rows > 0 {
        return classes(&texts);
    }
    if kind == Kind::Other {
        values = vec![f64::NAN; rows];
    }
    Ok((kind, values))
}

fn group_column(group: &dyn RowGroupReader, place: usize) -> Result<ColumnReader, Box<dyn Error>> {
    Ok(group.get_column_reader(place)?)
}

/// Whether the values count something: not a date, and not scaled like a decimal.
fn is_number(of: &ColumnDescriptor) -> bool {
    use parquet::basic::Type::{DOUBLE, FLOAT, INT32, INT64};
    let plain = match of.logical_type_ref() {
        None => matches!(
            of.converted_type(),
            ConvertedType::NONE
                | ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::INT_32
                | ConvertedType::INT_64
                | ConvertedType::UINT_8
                | ConvertedType::UINT_16
        ),
        // Of unsigned numbers only those are read rightly that fit into the signed type that holds them.
        Some(LogicalType::Integer(of)) => of.is_signed || of.bit_width < 32,
        Some(_) => false,
    };
    plain && matches!(of.physical_type(), INT32 | INT64 | FLOAT | DOUBLE)
}

/// All values of a column of one row group, `None` where one is missing.
fn all<T: DataType>(mut column: ColumnReaderImpl<T>, rows: usize) -> Result<Vec<Option<T::T>>, Box<dyn Error>> {
    let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let mut got = 0;
    while got < rows {
        let (records, _, _) = column.read_records(rows - got, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(format!("a column ends after {got} of {rows} rows").into());
        }
        got += records;
    }
    if values.len() == rows {
        return Ok(values.into_iter().map(Some).collect());
    }
    // The columns are flat: a value is there where the level is 1.
    let mut values = values.into_iter();
    Ok(levels.into_iter().map(|level| if level > 0 { values.next() } else { None }).collect())
}

/// Texts as classes, in the order of the alphabet.
fn classes(texts: &[Option<ByteArray>]) -> Result<(Kind, Vec<f64>), Box<dyn Error>> {
    let mut names: Vec<&[u8]> = texts.iter().flatten().map(ByteArray::data).collect();
    names.sort_unstable();
    names.dedup();
    let place = |text: &Option<ByteArray>| match text {
        Some(text) => names.binary_search(&text.data()).map_or(f64::NAN, |place| place as f64),
        None => f64::NAN,
    };
    let values = texts.iter().map(place).collect();
    let names = names.iter().map(|name| String::from_utf8(name.to_vec())).collect::<Result<Vec<_>, _>>()?;
    Ok((Kind::Classes(names), values))
}
