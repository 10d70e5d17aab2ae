//! Output becomes the same clean lines however it comes in pieces, and a line that is written down is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore::core::log::{LineSplitter, Stream, clean, format_line, parse_line};
use longshore::core::time::Timestamp;

fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut splitter = LineSplitter::default();
    let mut lines: Vec<String> = pieces.flat_map(|piece| splitter.push(piece)).collect();
    lines.extend(splitter.finish());
    lines
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, output) = input;
    let whole = lines(std::iter::once(output));
    assert_eq!(whole, lines(output.chunks(usize::from(size) + 1)));
    for line in &whole {
        assert!(
            !line.contains(|c: char| c.is_control() && c != '\t'),
            "{line:?}"
        );
        assert_eq!(*line, clean(line.as_bytes()), "cleaning again changes it");
        let written = format_line(Timestamp(0), None, Stream::Stdout, line);
        let read = parse_line(written.trim_end_matches('\n')).expect("it was written");
        assert_eq!(read.text, line);
    }
    if let Ok(text) = std::str::from_utf8(output) {
        let _ = parse_line(text);
    }
});
