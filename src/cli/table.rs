//! Tables without lines, as wide as the terminal, and texts that can do nothing to it.

use super::output::Output;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table};

/// Blanks between columns.
const GAP: u16 = 2;

/// A text in one line without anything a terminal would obey.
pub fn clean(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    crate::core::log::clean(line.as_bytes()).replace('\t', " ")
}

/// The table as text, in the width of the terminal if standard output is one.
pub fn render(
    header: &[&str],
    rows: Vec<Vec<String>>,
    droppable: &[&str],
    output: Output,
) -> String {
    render_at(header, rows, droppable, output.width())
}

/// The table in that width; without one every cell is whole, for programs. Where it is too narrow, the columns named in
/// `droppable` go, the first first; if that is not enough, the other cells are shortened, but never those of the first
/// column, the one people copy.
fn render_at(
    header: &[&str],
    rows: Vec<Vec<String>>,
    droppable: &[&str],
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    match width {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            // The gap behind the last column is cut off again.
            .set_width(width.saturating_add(GAP)),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    let mut head = Row::from(header.to_vec());
    head.max_height(1);
    table.set_header(head);
    for row in rows {
        let mut row = Row::from(row.iter().map(|cell| clean(cell)).collect::<Vec<_>>());
        row.max_height(1);
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    if let Some(width) = width {
        let widths = table.column_max_content_widths();
        let gone = dropped(header, &widths, droppable, width.saturating_add(GAP));
        for index in gone {
            if let Some(column) = table.column_mut(index) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
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
        let text = render_at(
            &["ID", "STATUS"],
            vec![
                vec![
                    "dep_9x2m4p".into(),
                    "\u{1b}[31msuccess\u{1b}[0m\nand more".into(),
                ],
                vec!["dep_a".into(), String::new()],
            ],
            &[],
            None,
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

    fn wide() -> (Vec<&'static str>, Vec<Vec<String>>) {
        let header = vec!["ID", "STATUS", "APP", "VERSION", "CREATED", "TOOK"];
        let row = |id: &str, version: &str| {
            let cells = [
                id,
                "superseded",
                "web",
                version,
                "2025-03-14T10:32:00Z",
                "42s",
            ];
            cells.map(str::to_owned).to_vec()
        };
        let rows = vec![
            row(
                "dep_3hab1519hvv3afvodupj0iya",
                "registry.example.com/acme/a-long-name/web@sha256:0123456789abcdef0123456789abcdef",
            ),
            row(
                "dep_3hab15tl7nwgoku8ly198i2u",
                "版本号很长的一个分支名字版本号很长的一个分支名字@a1b2c3d",
            ),
        ];
        (header, rows)
    }

    #[test]
    fn a_table_fits_its_terminal_a_row_a_line_and_no_id_is_cut() {
        for width in [40, 80, 200] {
            let (header, rows) = wide();
            let text = render_at(&header, rows, &["TOOK", "CREATED"], Some(width));
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 3, "{width}:\n{text}");
            assert!(
                lines[1].starts_with("dep_3hab1519hvv3afvodupj0iya"),
                "{text}"
            );
            assert!(
                lines[2].starts_with("dep_3hab15tl7nwgoku8ly198i2u"),
                "{text}"
            );
            for line in lines {
                assert!(cells(line) <= usize::from(width), "{width}:\n{text}");
            }
            assert_eq!(text.contains("TOOK"), width == 200, "{width}:\n{text}");
            assert_eq!(text.contains('…'), width < 200, "{width}:\n{text}");
        }
    }

    #[test]
    fn a_program_gets_every_cell_whole() {
        let (header, rows) = wide();
        let text = render_at(&header, rows.clone(), &["TOOK"], None);
        assert_eq!(text.lines().count(), 3);
        for cell in rows.iter().flatten() {
            assert!(text.contains(cell.as_str()), "{cell} is not in:\n{text}");
        }
    }

    /// How many columns of a terminal a line takes, as far as these tests go: a Chinese character takes two.
    fn cells(line: &str) -> usize {
        let wide = |c: &char| ('\u{4e00}'..='\u{9fff}').contains(c);
        line.chars().count() + line.chars().filter(wide).count()
    }
}
