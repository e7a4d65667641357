//! Lines in and lines out: a line editor on a terminal, plain lines otherwise.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::mpsc as threads;
use std::thread::{self, JoinHandle};

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{ColorMode, Config, Editor, ExternalPrinter};
use tokio::sync::mpsc;

use crate::view::Line;

type LineEditor = Editor<(), MemHistory>;

/// Lines that wait to be taken.
const LINES: usize = 64;
const PROMPT: &str = "> ";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";
/// Up one line, and erase it.
const ERASE_LINE: &str = "\x1b[1A\x1b[2K";

/// The terminal, or what stands in for it.
pub(crate) struct Terminal {
    /// Lines that were typed; ends when no more are.
    pub(crate) typed: mpsc::Receiver<String>,
    shown: Shown,
}

/// Where lines go.
enum Shown {
    /// Above the line that is being edited.
    Edited {
        printer: threads::Sender<String>,
        /// Lets the editor ask for the next line.
        next: threads::Sender<()>,
        threads: Vec<JoinHandle<()>>,
        /// Whether statuses are dimmed.
        has_colours: bool,
    },
    /// To standard output, as they are.
    Plain,
}

impl Terminal {
    /// Reads lines from now on.
    pub(crate) fn open(has_colours: bool) -> Result<Self, ReadlineError> {
        let (lines, typed) = mpsc::channel(LINES);
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            thread::spawn(move || read_plain(&lines));
            return Ok(Self { typed, shown: Shown::Plain });
        }
        let colours = if has_colours { ColorMode::Enabled } else { ColorMode::Disabled };
        let config = Config::builder().auto_add_history(true).color_mode(colours).build();
        let mut editor = LineEditor::with_history(config, MemHistory::new())?;
        let mut above = editor.create_external_printer()?;
        let (printer, printed) = threads::channel::<String>();
        let (next, asked) = threads::channel();
        let threads = vec![
            thread::spawn(move || read_edited(&mut editor, &lines, &asked)),
            // The editor takes a moment to take a line: nobody else waits for it.
            thread::spawn(move || printed.into_iter().for_each(|line| drop(above.print(line)))),
        ];
        Ok(Self { typed, shown: Shown::Edited { printer, next, threads, has_colours } })
    }

    /// Shows a line.
    pub(crate) fn show(&self, line: &Line) {
        match (&self.shown, line) {
            (Shown::Edited { printer, .. }, Line::Said(text)) => drop(printer.send(format!("{text}\n"))),
            (Shown::Edited { printer, has_colours, .. }, Line::Status(text)) => {
                let (dim, plain) = if *has_colours { (DIM, PLAIN) } else { ("", "") };
                drop(printer.send(format!("{dim}· {text}{plain}\n")));
            }
            (Shown::Plain, line) => {
                let text = match line {
                    Line::Said(text) => text.clone(),
                    Line::Status(text) => format!("· {text}"),
                };
                // Whoever closed our output does not want to read it.
                let _ = writeln!(io::stdout(), "{text}");
            }
        }
    }

    /// The line that was typed has been dealt with: the next may be typed.
    pub(crate) fn go_on(&self) {
        if let Shown::Edited { next, .. } = &self.shown {
            // If the editor has ended, nothing more is typed.
            let _ = next.send(());
        }
    }

    /// Whether somebody sits here.
    pub(crate) fn is_interactive(&self) -> bool {
        matches!(self.shown, Shown::Edited { .. })
    }

    /// Leaves the terminal as it was found. The last line that was typed must not have been answered by
    /// [`Terminal::go_on`].
    pub(crate) fn close(self) {
        drop(self.typed);
        if let Shown::Edited { printer, next, threads, .. } = self.shown {
            drop((printer, next));
            for thread in threads {
                // A thread that panicked has said so.
                let _ = thread.join();
            }
        }
    }
}

fn read_plain(lines: &mpsc::Sender<String>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if lines.blocking_send(line).is_err() {
            return;
        }
    }
}

fn read_edited(editor: &mut LineEditor, lines: &mpsc::Sender<String>, asked: &threads::Receiver<()>) {
    while let Ok(line) = editor.readline(PROMPT) {
        erase(editor, &line);
        if lines.blocking_send(line).is_err() || asked.recv().is_err() {
            return;
        }
    }
}

/// What was typed is erased: it appears again when it has been published.
fn erase(editor: &mut LineEditor, line: &str) {
    let columns = editor.dimensions().map_or(80, |(columns, _)| usize::from(columns)).max(1);
    let rows = (PROMPT.len() + line.chars().count()) / columns + 1;
    let mut out = io::stdout();
    let _ = out.write_all(ERASE_LINE.repeat(rows).as_bytes()).and_then(|()| out.flush());
}
