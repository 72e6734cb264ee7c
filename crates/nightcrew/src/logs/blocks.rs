//! A file in blocks of lines, whose shapes several threads find out.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::Context as _;
use nightcrew_detect::log::block::{self, BLOCK_BYTES, ReadLine};
use nightcrew_detect::log::header::Header;

use super::lines::Lines;

/// How many threads find out shapes.
const THREADS_MAX: usize = 4;

/// How many blocks wait before and behind each of them.
const AHEAD: usize = 2;

/// A block of whole lines, and what was found out about each.
type Block = (Vec<u8>, Vec<ReadLine>);

/// Gives every block of a file to `each`, in the order of the file.
pub(crate) fn each(path: &Path, mut each: impl FnMut(&[u8], &[ReadLine])) -> anyhow::Result<()> {
    let reading = || format!("reading {}", path.display());
    let mut lines = Lines::open(path)?;
    let Some(first) = next(&mut lines).with_context(reading)? else { return Ok(()) };
    let header = Header::recognise(first.split(|byte| *byte == b'\n'));
    let n_threads = thread::available_parallelism().map_or(1, |n| n.get().min(THREADS_MAX));
    thread::scope(|scope| {
        let (mut texts, mut read) = (Vec::new(), Vec::new());
        for _ in 0..n_threads {
            let (text, to_read) = sync_channel(AHEAD);
            let (done, block) = sync_channel(AHEAD);
            texts.push(text);
            read.push(block);
            let header = &header;
            scope.spawn(move || read_blocks(header, &to_read, &done));
        }
        let reader = scope.spawn(move || deal(first, &mut lines, &texts));
        // Each thread has every n-th block; the first that has no more ends the file.
        for block in read.iter().cycle() {
            let Ok((text, lines)) = block.recv() else { break };
            each(&text, &lines);
        }
        reader.join().map_err(|_| anyhow::anyhow!("the thread that reads fell"))
    })?
    .with_context(reading)
}

fn read_blocks(header: &Header, to_read: &Receiver<Vec<u8>>, done: &SyncSender<Block>) {
    for text in to_read {
        let lines = block::read(header, &text);
        if done.send((text, lines)).is_err() {
            return;
        }
    }
}

/// Hands blocks to the threads in turn.
fn deal(first: Vec<u8>, lines: &mut Lines, texts: &[SyncSender<Vec<u8>>]) -> io::Result<()> {
    let mut text = Some(first);
    for to in texts.iter().cycle() {
        let Some(block) = text else { break };
        if to.send(block).is_err() {
            break;
        }
        text = next(lines)?;
    }
    Ok(())
}

/// The next block, each line with its end; none at the end of the file.
fn next(lines: &mut Lines) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::with_capacity(BLOCK_BYTES + (BLOCK_BYTES >> 3));
    while text.len() < BLOCK_BYTES
        && let Some(line) = lines.next()?
    {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    Ok((!text.is_empty()).then_some(text))
}
