//! Input and output lines: a line editor on a terminal, plain lines otherwise.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::mpsc as threads;
use std::thread::{self, JoinHandle};

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{ColorMode, Config, Editor, ExternalPrinter};
use tokio::sync::mpsc;

use crate::view::Line;

type LineEditor = Editor<(), MemHistory>;

/// Typed lines that wait for the session.
const LINES: usize = 64;
const PROMPT: &str = "> ";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";
/// Moves the cursor up one line, and erases that line.
const ERASE_LINE: &str = "\x1b[1A\x1b[2K";

/// The terminal, or the standard streams in its place.
pub(crate) struct Terminal {
    /// Lines that were typed. The channel closes at the end of input.
    pub(crate) typed: mpsc::Receiver<String>,
    shown: Shown,
}

/// The output for shown lines.
enum Shown {
    /// Shown lines appear above the line editor.
    Edited {
        printer: threads::Sender<String>,
        /// Permits the editor to read the next line.
        next: threads::Sender<()>,
        threads: Vec<JoinHandle<()>>,
        /// True if status lines are dimmed.
        has_colours: bool,
    },
    /// Lines go to standard output unchanged.
    Plain,
}

impl Terminal {
    /// Starts the thread that reads lines.
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
            // The editor takes a moment to print a line, so a thread of its own waits for it.
            thread::spawn(move || printed.into_iter().for_each(|line| drop(above.print(line)))),
        ];
        Ok(Self { typed, shown: Shown::Edited { printer, next, threads, has_colours } })
    }

    /// Prints a line.
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
                // If the reader closed our output, the line is dropped.
                let _ = writeln!(io::stdout(), "{text}");
            }
        }
    }

    /// Permits the editor to read the next line, after the last one was handled.
    pub(crate) fn go_on(&self) {
        if let Shown::Edited { next, .. } = &self.shown {
            // If the editor has ended, there is no next line.
            let _ = next.send(());
        }
    }

    /// Returns true if a line editor runs on a terminal.
    pub(crate) fn is_interactive(&self) -> bool {
        matches!(self.shown, Shown::Edited { .. })
    }

    /// Restores the terminal. The last typed line must not have been answered by
    /// [`Terminal::go_on`].
    pub(crate) fn close(self) {
        drop(self.typed);
        if let Shown::Edited { printer, next, threads, .. } = self.shown {
            drop((printer, next));
            for thread in threads {
                // A thread that panicked has printed its message.
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

/// Erases the typed line. It appears again when it has been published.
fn erase(editor: &mut LineEditor, line: &str) {
    let columns = editor.dimensions().map_or(80, |(columns, _)| usize::from(columns)).max(1);
    let rows = (PROMPT.len() + line.chars().count()) / columns + 1;
    let mut out = io::stdout();
    let _ = out.write_all(ERASE_LINE.repeat(rows).as_bytes()).and_then(|()| out.flush());
}
