//! Splits the output of a process into lines of limited length.

/// The longest line that is passed on in one piece: CloudWatch Logs' limit for an event. Longer
/// lines are cut into pieces.
pub(crate) const LONGEST_LINE: usize = 256 * 1024;

/// Converts bytes in pieces of any size to lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Adds `bytes` and calls `line` with each line that they complete, without its line feed.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(&str)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.take(&bytes[..end], &mut line);
            self.flush(&mut line);
            bytes = &bytes[end + 1..];
        }
        self.take(bytes, &mut line);
    }

    /// Calls `line` with the remaining text that has no line feed.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.rest.is_empty() {
            self.flush(&mut line);
        }
    }

    fn take(&mut self, mut bytes: &[u8], line: &mut impl FnMut(&str)) {
        while self.rest.len() + bytes.len() > LONGEST_LINE {
            let (head, tail) = bytes.split_at(LONGEST_LINE - self.rest.len());
            self.rest.extend_from_slice(head);
            self.flush(line);
            bytes = tail;
        }
        self.rest.extend_from_slice(bytes);
    }

    fn flush(&mut self, line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.rest);
        line(text.strip_suffix('\r').unwrap_or(&text));
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for chunk in chunks {
            lines.push(chunk, |line| out.push(line.to_owned()));
        }
        lines.finish(|line| out.push(line.to_owned()));
        out
    }

    #[test]
    fn a_line_may_come_in_pieces_and_several_at_once() {
        assert_eq!(lines(&[b"a", b"b\nc\n", b"\n", b"d"]), ["ab", "c", "", "d"]);
    }

    #[test]
    fn a_line_longer_than_the_limit_is_cut_and_nothing_is_lost() {
        let long = vec![b'x'; 2 * LONGEST_LINE + 3];
        let sizes: Vec<usize> = lines(&[&long, b"\nend\n"]).iter().map(String::len).collect();
        assert_eq!(sizes, [LONGEST_LINE, LONGEST_LINE, 3, 3]);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced() {
        assert_eq!(lines(&[b"a\xffb\r\n"]), ["a\u{fffd}b"]);
    }
}
