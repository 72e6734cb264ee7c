//! A Markdown document that grows line by line, and how outside text, lists and samples get into
//! it.  Each list is bounded; what is left out is counted.

use std::fmt::{self, Write as _};

use nightcrew_model::sample::Sample;

use crate::quote::{block, code, one_line, plain};
use crate::sample_view::SampleView;

/// The longest name, label or command, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 300;

/// The longest sentence, in characters.
pub(crate) const SENTENCE_CHARS_MAX: usize = 600;

/// The longest detail of a sample, in characters.
const DETAIL_CHARS_MAX: usize = 500;

/// The largest number of samples that a state shows.
const SAMPLES_MAX: usize = 50;

/// A document that grows line by line.
#[derive(Default)]
pub(crate) struct Page(pub(crate) String);

impl Page {
    pub(crate) fn line(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{text}");
    }

    /// Exactly one blank line before what follows.
    pub(crate) fn gap(&mut self) {
        self.0.truncate(self.0.trim_end_matches('\n').len());
        self.0.push_str("\n\n");
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.gap();
        self.line(format_args!("{text}\n"));
    }

    pub(crate) fn block(&mut self, language: &str, text: &str) {
        self.0.push_str(&block(language, text));
        self.gap();
    }

    /// One item of a list of names and values; the value is Markdown already.
    pub(crate) fn item(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.line(format_args!("- **{name}**: {value}"));
    }

    /// As many items as the limit allows, from both ends, and how many are left out between them.
    pub(crate) fn both_ends<T>(
        &mut self,
        items: &[T],
        max: usize,
        mut show: impl FnMut(&mut Self, &T),
    ) {
        let head = if items.len() > max { max / 2 } else { items.len() };
        let tail = if items.len() > max { max - head } else { 0 };
        items.iter().take(head).for_each(|item| show(self, item));
        let left_out = items.len() - head - tail;
        if left_out > 0 {
            self.gap();
            self.line(format_args!("… {left_out} left out …\n"));
        }
        let last = items.iter().skip(items.len() - tail);
        last.for_each(|item| show(self, item));
    }
}

/// Samples as a block of JSON: within limits, and valid whatever they hold.
pub(crate) fn state(page: &mut Page, samples: &[&Sample]) {
    let short = |text: &str| one_line(text, DETAIL_CHARS_MAX);
    let shown = samples.get(..SAMPLES_MAX).unwrap_or(samples);
    let details: Vec<Option<String>> =
        shown.iter().map(|sample| sample.detail.as_deref().map(short)).collect();
    let views = shown.iter().zip(&details).map(|(sample, detail)| {
        let mut view = SampleView::of(sample);
        view.target = one_line(&view.target, NAME_CHARS_MAX);
        view.unknown = view.unknown.as_deref().map(short);
        view.detail = detail.as_deref();
        view
    });
    let views: Vec<SampleView<'_>> = views.collect();
    // A view holds only text, finite numbers and times: it has a JSON form.
    let json = serde_json::to_string_pretty(&views).unwrap_or_else(|error| error.to_string());
    page.block("json", &json);
    let left_out = samples.len() - shown.len();
    if left_out > 0 {
        page.line(format_args!("… {left_out} left out …\n"));
    }
}

pub(crate) fn name(text: &str) -> String {
    code(text, NAME_CHARS_MAX)
}

pub(crate) fn sentence(text: &str) -> String {
    plain(text, SENTENCE_CHARS_MAX)
}

/// Outside text as a cell of a table.
pub(crate) fn cell(text: &str) -> String {
    // Readers differ in what a backslash before a bar means; its entity never ends a cell.
    plain(text, NAME_CHARS_MAX).replace("\\|", "&#124;")
}
