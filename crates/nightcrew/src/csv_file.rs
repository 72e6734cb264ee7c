//! CSV files with a line of names: which columns hold the time and the value, and what a time says.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use jiff::Timestamp;
use nightcrew_detect::rank::rows;

use crate::output::Failure;

/// Names of the column with the time, in lower case.
const TIME: [&str; 5] = ["timestamp", "time", "date", "datetime", "ts"];

/// A CSV file whose first line names the columns.
pub(crate) struct Csv {
    reader: csv::Reader<BufReader<File>>,
    header: Vec<String>,
    name: String,
}

/// One line of a file.
pub(crate) struct Row {
    record: csv::StringRecord,
    line: u64,
    name: String,
}

impl Csv {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| {
            Failure::usage(format!("{name} cannot be read: {error}"), "look at its name and rights")
        })?;
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(BufReader::new(file));
        let header = reader.headers().map_err(|error| not_csv(&name, &error))?;
        let header = header.iter().map(|column| column.trim_start_matches('\u{feff}').to_owned());
        let header = header.collect();
        Ok(Self { reader, header, name })
    }

    /// Where a column of one of these names is, whatever the case.
    pub(crate) fn find(&self, names: &[&str]) -> Option<usize> {
        let lower = self.header.iter().map(|column| column.to_ascii_lowercase());
        lower.enumerate().find(|(_, column)| names.contains(&column.as_str())).map(|(at, _)| at)
    }

    /// Where the column of that name is.
    pub(crate) fn column(&self, name: &str) -> Result<usize, Failure> {
        self.find(&[&name.to_ascii_lowercase()]).ok_or_else(|| {
            let found = self.header.join(", ");
            Failure::usage(
                format!("{} has no column `{name}`; it has: {found}", self.name),
                "the first line of the file names its columns",
            )
        })
    }

    /// Where the columns of the time and of the value are: by their names, or the first two.
    pub(crate) fn time_and_value(&self) -> (usize, usize) {
        let time = self.find(&TIME).unwrap_or(0);
        let value = self.find(&["value"]);
        (time, value.unwrap_or(if time == 0 { 1 } else { 0 }))
    }

    /// The next line; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Row>, Failure> {
        let mut record = csv::StringRecord::new();
        let is_there =
            self.reader.read_record(&mut record).map_err(|error| not_csv(&self.name, &error))?;
        let line = record.position().map_or(0, csv::Position::line);
        Ok(is_there.then(|| Row { record, line, name: self.name.clone() }))
    }
}

fn not_csv(name: &str, error: &csv::Error) -> Failure {
    Failure::usage(format!("{name} is not CSV: {error}"), "comma-separated UTF-8 text is expected")
}

impl Row {
    pub(crate) fn text(&self, at: usize) -> &str {
        self.record.get(at).unwrap_or_default()
    }

    /// The number in a column; an empty one, or a word that is none, is no number.
    pub(crate) fn value(&self, at: usize) -> f64 {
        self.text(at).parse().unwrap_or(f64::NAN)
    }

    /// The time in a column; none where it says none.
    pub(crate) fn time(&self, at: usize) -> Option<Timestamp> {
        rows::moment(self.text(at))
    }

    /// Where it stands, for words to a person.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.name, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_or_place_and_bad_rows_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "\u{feff}TimeStamp,Label,Value\n2014-04-10 07:15:00,0, 7.5\nx\n")
            .unwrap();
        let mut csv = Csv::open(&path).unwrap();
        assert_eq!(csv.time_and_value(), (0, 2));
        let row = csv.next().unwrap().unwrap();
        assert_eq!(row.value(2).to_string(), "7.5");
        let row = csv.next().unwrap().unwrap();
        assert!(row.value(2).is_nan());
        assert_eq!(row.time(0), None);
        assert!(row.place().ends_with("a.csv:3"), "{}", row.place());
        assert!(csv.next().unwrap().is_none());
        let missing = csv.column("component").unwrap_err().message;
        assert!(missing.contains("has no column `component`"), "{missing}");
        assert!(Csv::open(&folder.path().join("없다")).is_err());
    }
}
