//! `nightcrew logs templates`: which messages say the same.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use nightcrew_detect::log::block;
use nightcrew_detect::log::miner::{Limits, Miner};
use nightcrew_detect::log::shape::ShapeId;
use nightcrew_detect::log::template::Templates;
use serde::Serialize;

use super::blocks;
use crate::cli;
use crate::csv_file::Csv;
use crate::output::{self, Exit};

/// What was found.
#[derive(Serialize)]
struct Found {
    lines: usize,
    templates: usize,
    /// How many shapes of messages were forgotten because there were too many.
    evicted: u64,
}

pub(crate) fn run(args: &cli::Templates) -> anyhow::Result<Exit> {
    let mut miner = Miner::new(Limits::default());
    let shapes = match &args.content_column {
        Some(column) => learn_column(&args.path, column, &mut miner)?,
        None => learn_lines(&args.path, &mut miner)?,
    };
    let templates = miner.templates();
    let Some(out) = &args.out else {
        write(io::stdout().lock(), &shapes, &templates)?;
        return Ok(Exit::Done);
    };
    let writing = || format!("writing {}", out.display());
    let file = File::create(out).with_context(writing)?;
    write(BufWriter::new(file), &shapes, &templates).with_context(writing)?;
    let found =
        Found { lines: shapes.len(), templates: templates.len(), evicted: miner.n_evicted() };
    if args.json {
        output::json(&found)?;
    } else {
        let Found { lines, templates, evicted } = found;
        output::line(&format!("{lines} lines, {templates} templates"));
        if evicted > 0 {
            output::note(&format!("{evicted} shapes of messages were forgotten: too many differ"));
        }
    }
    Ok(Exit::Done)
}

fn learn_column(path: &Path, column: &str, miner: &mut Miner) -> anyhow::Result<Vec<ShapeId>> {
    let mut csv = Csv::open(path)?;
    let column = csv.column(column)?;
    let mut shapes = Vec::new();
    while let Some(row) = csv.next()? {
        shapes.push(miner.learn(row.text(column).as_bytes()));
    }
    Ok(shapes)
}

fn learn_lines(path: &Path, miner: &mut Miner) -> anyhow::Result<Vec<ShapeId>> {
    let mut shapes = Vec::new();
    blocks::each(path, |text, lines| {
        block::learn(miner, text, lines);
        shapes.extend(lines.iter().map(|line| line.shape));
    })?;
    Ok(shapes)
}

fn write(out: impl Write, shapes: &[ShapeId], templates: &Templates) -> anyhow::Result<()> {
    let texts: Vec<String> = templates.iter().map(ToString::to_string).collect();
    let mut out = csv::Writer::from_writer(out);
    out.write_record(["LineId", "EventId", "EventTemplate"])?;
    for (n, shape) in shapes.iter().enumerate() {
        // A shape that was forgotten has no template.
        let index = templates.index_of(*shape);
        let id = index.map_or_else(|| "E0".to_owned(), |index| format!("E{}", index + 1));
        let text = index.and_then(|index| texts.get(index)).map_or("<*>", String::as_str);
        out.write_record([(n + 1).to_string().as_str(), &id, text])?;
    }
    out.flush()?;
    Ok(())
}
