//! Writes the template of every line of a file: `templates IN [OUT.csv [THREADS]]`.
//!
//! Prints how many lines a second were read; two threads by default.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::mpsc;
use std::time::SystemTime;
use std::{env, fs, thread};

use nightcrew_detect::log::block::{self, BLOCK_BYTES, ReadLine};
use nightcrew_detect::log::header::Header;
use nightcrew_detect::log::miner::{Limits, Miner};
use nightcrew_detect::log::shape::ShapeId;

/// How many blocks may be read ahead, for each thread.
const AHEAD: usize = 4;

#[expect(clippy::print_stdout, reason = "an example reports on its output")]
fn main() -> std::io::Result<()> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().unwrap_or_default();
    let out = arguments.next();
    let threads = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(2_usize).max(1);
    let text = fs::read(path)?;
    let start = clock();
    let header = Header::recognise(text.split(|b| *b == b'\n'));
    let blocks: Vec<&[u8]> = block::cut(&text, BLOCK_BYTES).collect();
    let mut miner = Miner::new(Limits::default());
    let mut shapes: Vec<ShapeId> = Vec::new();
    thread::scope(|scope| {
        let queues: Vec<mpsc::Receiver<Vec<ReadLine>>> = (0..threads)
            .map(|nth| {
                let (sender, receiver) = mpsc::sync_channel(AHEAD);
                let (blocks, header) = (&blocks, &header);
                scope.spawn(move || {
                    for text in blocks.iter().skip(nth).step_by(threads) {
                        if sender.send(block::read(header, text)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        for (text, queue) in blocks.iter().zip(queues.iter().cycle()) {
            let lines = queue.recv().unwrap_or_default();
            block::learn(&mut miner, text, &lines);
            shapes.extend(lines.iter().map(|line| line.shape));
        }
    });
    let templates = miner.templates();
    let seconds = (clock() - start).max(1e-9);
    println!(
        "{} lines, {} shapes, {} templates, {:.0} lines/s",
        shapes.len(),
        miner.n_shapes(),
        templates.len(),
        shapes.len() as f64 / seconds
    );
    let Some(out) = out else { return Ok(()) };
    let texts: Vec<String> = templates
        .iter()
        .map(|template| {
            let text = template.to_string().replace('"', "\"\"");
            let mut row = String::new();
            let _ = writeln!(row, "{},\"{text}\"", template.id);
            row
        })
        .collect();
    let mut file = std::io::BufWriter::new(fs::File::create(out)?);
    writeln!(file, "LineId,EventId,EventTemplate")?;
    for (n, shape) in shapes.iter().enumerate() {
        let row = templates.index_of(*shape).and_then(|n| texts.get(n));
        write!(file, "{},{}", n + 1, row.map_or("-,\"<*>\"\n", |row| row))?;
    }
    let seconds = clock() - start;
    println!("{:.0} lines/s with the output written", shapes.len() as f64 / seconds);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "an example measures itself")]
fn clock() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
