//! Tables without lines, as wide as the terminal, and texts that can do nothing to it.

use comfy_table::{ColumnConstraint, ContentArrangement, Table};

/// A text in one line without anything a terminal would obey.
pub fn clean(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    crate::core::log::clean(line.as_bytes()).replace('\t', " ")
}

/// The table as text. The first column, the one people copy, is never broken; on a terminal the others are, where
/// it is too narrow.
pub fn render(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_cleaned_and_lines_have_no_trailing_blanks() {
        let text = render(
            &["ID", "STATUS"],
            vec![
                vec![
                    "dep_9x2m4p".into(),
                    "\u{1b}[31msuccess\u{1b}[0m\nand more".into(),
                ],
                vec!["dep_a".into(), String::new()],
            ],
        );
        assert_eq!(text, "ID          STATUS\ndep_9x2m4p  success\ndep_a");
    }
}
