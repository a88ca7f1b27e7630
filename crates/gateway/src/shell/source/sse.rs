//! Reads server-sent events from chunks of bytes, however they are cut. Bounded: a line and an event have a limit.

/// The largest line, and the largest event. A server's view is some kilobytes.
const MAX_BYTES: usize = 1024 * 1024;

/// One event of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Empty when unnamed.
    pub(crate) name: String,
    /// The lines of `data`.
    pub(crate) data: String,
}

/// A line or an event is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {MAX_BYTES} bytes")]
pub(crate) struct TooLong;

/// What has been read of an event that is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    after_return: bool,
    message: Message,
    has_data: bool,
}

impl Reader {
    /// Takes a chunk; gives the events that it completes.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut messages = Vec::new();
        for byte in chunk {
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => messages.extend(self.end_line()?),
                _ if self.line.len() >= MAX_BYTES => return Err(TooLong),
                byte => self.line.push(*byte),
            }
        }
        Ok(messages)
    }

    fn end_line(&mut self) -> Result<Option<Message>, TooLong> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            let whole = std::mem::take(&mut self.message);
            return Ok(std::mem::take(&mut self.has_data).then_some(whole));
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        self.set(field, value.strip_prefix(' ').unwrap_or(value))?;
        Ok(None)
    }

    /// Comments have an empty field name; fields that mean nothing here pass.
    fn set(&mut self, field: &str, value: &str) -> Result<(), TooLong> {
        match field {
            "event" => value.clone_into(&mut self.message.name),
            "data" => {
                if self.message.data.len() + value.len() >= MAX_BYTES {
                    return Err(TooLong);
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut reader = Reader::default();
        let read = chunks.iter().flat_map(|chunk| reader.take(chunk).expect("short"));
        read.map(|message| (message.name, message.data)).collect()
    }

    #[test]
    fn the_format_case_by_case() {
        for (text, expected) in [
            ("data: a\n\n", vec![("", "a")]),
            ("data:a\r\n\r\n", vec![("", "a")]),
            ("data: a\r\rdata: b\r\r", vec![("", "a"), ("", "b")]),
            ("id: 7\nevent: view\ndata: {}\n\n", vec![("view", "{}")]),
            ("data: a\ndata:  b\n\n", vec![("", "a\n b")]),
            (": keep-alive\n\ndata: a\n\n", vec![("", "a")]),
            ("event: view\n\ndata: a\n\n", vec![("", "a")]),
            ("retry: 10\nnonsense\ndata\n\n", vec![("", "")]),
            ("data: never ends\n", vec![]),
            ("\n\n\n", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(name, data)| (name.to_owned(), data.to_owned())).collect();
            assert_eq!(messages(&[text.as_bytes()]), expected, "{text:?}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = Reader::default();
        assert_eq!(reader.take(&vec![b'a'; MAX_BYTES]), Ok(vec![]));
        assert_eq!(reader.take(b"a"), Err(TooLong));
        let mut reader = Reader::default();
        let line = format!("data: {}\n", "a".repeat(MAX_BYTES / 2));
        assert_eq!(reader.take(line.as_bytes()), Ok(vec![]));
        assert_eq!(reader.take(line.as_bytes()), Err(TooLong));
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(cut in 0_usize..40) {
            let text = "event: view\r\ndata: é\r\n\r\ndata: b\n\n: c\n".as_bytes();
            let (head, tail) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(messages(&[head, tail]), messages(&[text]));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reader::default().take(&bytes);
        }
    }
}
