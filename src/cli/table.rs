//! Tables without lines, as wide as the terminal, and texts that can do nothing to it.

use comfy_table::{ColumnConstraint, ContentArrangement, Table};

/// Blanks between columns.
const GAP: u16 = 2;

/// A text in one line without anything a terminal would obey.
pub fn clean(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    crate::core::log::clean(line.as_bytes()).replace('\t', " ")
}

/// The table as text. Where the terminal is too narrow for it, the columns named in `droppable` go, the first
/// first; if that is not enough, the others are broken, but never the first column, the one people copy.
pub fn render(header: &[&str], rows: Vec<Vec<String>>, droppable: &[&str]) -> String {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    if let Some(width) = table.width() {
        for index in dropped(header, &table.column_max_content_widths(), droppable, width) {
            if let Some(column) = table.column_mut(index) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// Which columns have to go for the others to fit.
fn dropped(header: &[&str], widths: &[u16], droppable: &[&str], width: u16) -> Vec<usize> {
    let mut needed: u32 = widths.iter().map(|width| u32::from(*width + GAP)).sum();
    let mut gone = Vec::new();
    for name in droppable {
        if needed <= u32::from(width) {
            break;
        }
        if let Some(index) = header.iter().position(|column| column == name) {
            needed -= u32::from(widths[index] + GAP);
            gone.push(index);
        }
    }
    gone
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
            &[],
        );
        assert_eq!(text, "ID          STATUS\ndep_9x2m4p  success\ndep_a");
    }

    #[test]
    fn only_as_many_columns_go_as_must() {
        let header = ["ID", "APP", "TOOK", "RELEASE"];
        let widths = [10, 5, 4, 7];
        for (width, expected) in [
            (34, &[][..]),
            (33, &[2]),
            (28, &[2]),
            (27, &[2, 3]),
            (5, &[2, 3]),
        ] {
            assert_eq!(
                dropped(&header, &widths, &["TOOK", "RELEASE"], width),
                expected,
                "{width}"
            );
        }
    }
}
