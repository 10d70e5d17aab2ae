//! Lists in numbered pages: which one is asked for, and the headers that lead to the others.

use super::arrival::Base;
use super::parameters::{self, Parameters, Wrong};
use crate::core::access::TOKEN_PARAMETERS;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

/// The size of a page unless one is asked for, and the largest; GitLab's and GitHub's.
const DEFAULT_SIZE: u32 = 20;
const MAX_SIZE: u32 = 100;
/// Above so many rows GitLab does not say how many there are; clients know to do without.
const MOST_COUNTED: u64 = 10_000;

/// A page that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Its number; the first is 1.
    number: u64,
    /// How many items it has at most.
    size: u32,
}

/// What is wrong with the wish for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPage {
    /// This parameter is no number.
    Invalid(&'static str),
    /// Pages of no items.
    OfNothing,
}

impl Default for Page {
    /// The first, of the usual size.
    fn default() -> Self {
        Self {
            number: 1,
            size: DEFAULT_SIZE,
        }
    }
}

impl Page {
    /// The page that `page` and `per_page` ask for. What is below 1 is the first page, or the usual size.
    pub(super) fn of(parameters: &Parameters) -> Result<Self, NoPage> {
        let read = |name: &'static str| match parameters.integer(name) {
            Ok(number) => Ok(number),
            Err(Wrong) => Err(NoPage::Invalid(name)),
        };
        let number = read("page")?.map_or(1, |number| u64::try_from(number).unwrap_or(1).max(1));
        let size = match read("per_page")? {
            Some(0) => return Err(NoPage::OfNothing),
            Some(size) => u32::try_from(size.min(i64::from(MAX_SIZE))).unwrap_or(DEFAULT_SIZE),
            None => DEFAULT_SIZE,
        };
        Ok(Self { number, size })
    }

    /// The same, with another usual size, where what is no number is as if it were not given.
    pub(super) fn lenient(parameters: &Parameters, usual: u32) -> Self {
        let read = |name| {
            let number = parameters.integer(name).ok().flatten();
            number.filter(|number| *number > 0)
        };
        let size = read("per_page").map(|size| size.min(i64::from(MAX_SIZE)));
        Self {
            number: read("page").map_or(1, i64::unsigned_abs),
            size: size
                .and_then(|size| u32::try_from(size).ok())
                .unwrap_or(usual),
        }
    }

    /// How many items are wanted.
    pub(super) fn limit(self) -> u32 {
        self.size
    }

    /// How many items stand before it.
    pub(super) fn offset(self) -> u64 {
        let before = (self.number - 1).saturating_mul(u64::from(self.size));
        before.min(i64::MAX as u64)
    }

    /// The pages that GitHub leads to, in its order; none where one holds everything. Past the end that is what stands
    /// before.
    pub(super) fn leads_to(self, total: u64) -> Vec<(&'static str, u64)> {
        let last = total.div_ceil(u64::from(self.size)).max(1);
        let has_before = self.number > 1;
        let has_next = self.number < last;
        [
            ("prev", has_before.then(|| (self.number - 1).min(last))),
            ("next", has_next.then(|| self.number + 1)),
            ("last", has_next.then_some(last)),
            ("first", has_before.then_some(1)),
        ]
        .into_iter()
        .filter_map(|(name, number)| Some((name, number?)))
        .collect()
    }

    /// Its place among all pages of so many items.
    fn among(self, total: u64) -> Neighbours {
        let last = total.div_ceil(u64::from(self.size)).max(1);
        let is_there = self.number <= last;
        Neighbours {
            previous: (is_there && self.number > 1).then(|| self.number - 1),
            next: (self.number < last).then(|| self.number + 1),
            last,
        }
    }
}

/// The pages around one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Neighbours {
    previous: Option<u64>,
    next: Option<u64>,
    last: u64,
}

/// The headers of GitLab's lists. Those that name a neighbour are there, empty, where there is none.
pub(super) fn headers(page: Page, total: u64, list: &Address<'_>) -> HeaderMap {
    let around = page.among(total);
    let is_counted = total <= MOST_COUNTED;
    let or_empty = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let mut told = vec![
        ("x-page", page.number.to_string()),
        ("x-per-page", page.size.to_string()),
        ("x-next-page", or_empty(around.next)),
        ("x-prev-page", or_empty(around.previous)),
    ];
    if is_counted {
        told.push(("x-total", total.to_string()));
        told.push(("x-total-pages", around.last.to_string()));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let links = [
        ("prev", around.previous),
        ("next", around.next),
        ("first", Some(1)),
        ("last", is_counted.then_some(around.last)),
    ];
    let links = links.into_iter();
    let links = links.filter_map(|(name, number)| Some((name, list.at(number?, page.size))));
    if let Some(links) = link(links) {
        headers.insert(header::LINK, links);
    }
    headers
}

/// `Link` with these URLs under their names.
pub(super) fn link<'a>(links: impl Iterator<Item = (&'a str, String)>) -> Option<HeaderValue> {
    let links: Vec<String> = links
        .map(|(name, url)| format!("<{url}>; rel=\"{name}\""))
        .collect();
    // Every URL is encoded, so that this is always one.
    HeaderValue::from_str(&links.join(", ")).ok()
}

/// Where a list is, and everything that was asked of it.
pub(super) struct Address<'a> {
    pub(super) base: &'a Base,
    /// What was taken off the path on the way.
    pub(super) prefix: &'a str,
    pub(super) uri: &'a Uri,
}

impl Address<'_> {
    /// The URL of a page. It has all that was asked for, for a client takes the next page from here alone; a token is
    /// not repeated, for URLs are written into logs.
    fn at(&self, number: u64, size: u32) -> String {
        let mut left_out = vec!["page", "per_page"];
        left_out.extend(TOKEN_PARAMETERS);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters::query_without(self.uri, &left_out));
        query.append_pair("page", &number.to_string());
        query.append_pair("per_page", &size.to_string());
        let (base, path) = (&self.base.api, self.uri.path());
        format!("{base}{}{path}?{}", self.prefix, query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<(u64, u32), NoPage> {
        Page::of(&Parameters::of_query(query)).map(|page| (page.number, page.size))
    }

    #[test]
    fn a_page_is_the_first_of_twenty_unless_asked_for_and_at_most_a_hundred() {
        assert_eq!(page(""), Ok((1, 20)));
        assert_eq!(page("page=3&per_page=5"), Ok((3, 5)));
        assert_eq!(page("per_page=101"), Ok((1, 100)));
        assert_eq!(page("page=0&per_page=-4"), Ok((1, 20)));
        assert_eq!(page("page=-7"), Ok((1, 20)));
        assert_eq!(page("per_page=0"), Err(NoPage::OfNothing));
        assert_eq!(page("page=x"), Err(NoPage::Invalid("page")));
        assert_eq!(page("per_page=1.5"), Err(NoPage::Invalid("per_page")));
        let far = Page::of(&Parameters::of_query(
            "page=9223372036854775807&per_page=100",
        ))
        .unwrap();
        assert_eq!(far.offset(), i64::MAX as u64);
    }

    #[test]
    fn a_lenient_page_takes_any_text_for_what_it_can_mean() {
        let lenient = |query: &str| {
            let page = Page::lenient(&Parameters::of_query(query), 30);
            (page.number, page.size)
        };
        assert_eq!(lenient(""), (1, 30));
        assert_eq!(lenient("page=3&per_page=5"), (3, 5));
        assert_eq!(lenient("per_page=101"), (1, 100));
        for text in ["0", "-1", "x", "", "1.5", "99999999999999999999"] {
            assert_eq!(
                lenient(&format!("page={text}&per_page={text}")),
                (1, 30),
                "{text}"
            );
        }
    }

    #[test]
    fn github_leads_to_the_pages_that_there_are() {
        let leads = |number: u64, total: u64| Page { number, size: 2 }.leads_to(total);
        assert_eq!(leads(1, 0), []);
        assert_eq!(leads(1, 2), []);
        assert_eq!(leads(1, 3), [("next", 2), ("last", 2)]);
        assert_eq!(
            leads(2, 9),
            [("prev", 1), ("next", 3), ("last", 5), ("first", 1)]
        );
        assert_eq!(leads(5, 9), [("prev", 4), ("first", 1)]);
        assert_eq!(leads(9, 3), [("prev", 2), ("first", 1)]);
        assert_eq!(leads(9, 0), [("prev", 1), ("first", 1)]);
    }

    fn told(query: &str, total: u64) -> (Vec<(String, String)>, String) {
        let uri: Uri = format!("/projects/a%2Fb/deployments?{query}")
            .parse()
            .unwrap();
        let base = Base {
            api: "https://deploy.example/base".into(),
            apps_scheme: "https",
        };
        let address = Address {
            base: &base,
            prefix: "/api/v4",
            uri: &uri,
        };
        let page = Page::of(&Parameters::of_query(query)).unwrap();
        let headers = headers(page, total, &address);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let link = text(&headers["link"]);
        let mut others: Vec<(String, String)> = headers
            .iter()
            .filter(|(name, _)| *name != header::LINK)
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect();
        others.sort();
        (others, link)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        let list = list.iter();
        list.map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn links_keep_everything_that_was_asked_but_the_token() {
        let asked = "page=2&per_page=2&status=success&private_token=t&access_token=t&job_token=t&environment=a+b%26c&sort=desc";
        let (headers, link) = told(asked, 5);
        let url = |number: u64| {
            format!(
                "https://deploy.example/base/api/v4/projects/a%2Fb/deployments?status=success&environment=a+b%26c&sort=desc&page={number}&per_page=2"
            )
        };
        assert_eq!(
            link,
            format!(
                "<{}>; rel=\"prev\", <{}>; rel=\"next\", <{}>; rel=\"first\", <{}>; rel=\"last\"",
                url(1),
                url(3),
                url(1),
                url(3)
            )
        );
        assert_eq!(
            headers,
            pairs(&[
                ("x-next-page", "3"),
                ("x-page", "2"),
                ("x-per-page", "2"),
                ("x-prev-page", "1"),
                ("x-total", "5"),
                ("x-total-pages", "3"),
            ])
        );
    }

    #[test]
    fn at_the_ends_a_neighbour_is_empty_and_not_absent() {
        let ends = |total, page: &str| {
            let (headers, link) = told(page, total);
            let value = |wanted: &str| {
                let found = headers.iter().find(|(name, _)| name == wanted);
                found.unwrap().1.clone()
            };
            let rels = ["prev", "next", "first", "last"];
            let rels: Vec<&str> = rels
                .into_iter()
                .filter(|rel| link.contains(&format!("rel=\"{rel}\"")))
                .collect();
            (value("x-prev-page"), value("x-next-page"), rels)
        };
        let none = String::new;
        assert_eq!(ends(0, ""), (none(), none(), vec!["first", "last"]));
        assert_eq!(ends(20, ""), (none(), none(), vec!["first", "last"]));
        assert_eq!(
            ends(21, ""),
            (none(), "2".into(), vec!["next", "first", "last"])
        );
        assert_eq!(
            ends(21, "page=2"),
            ("1".into(), none(), vec!["prev", "first", "last"])
        );
        assert_eq!(ends(21, "page=9"), (none(), none(), vec!["first", "last"]));
    }

    #[test]
    fn above_ten_thousand_nobody_is_told_how_many_there_are() {
        let (headers, link) = told("", 10_000);
        assert!(
            headers
                .iter()
                .any(|(name, value)| name == "x-total" && value == "10000")
        );
        assert!(link.contains("rel=\"last\""), "{link}");
        let (headers, link) = told("page=3", 10_001);
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["x-next-page", "x-page", "x-per-page", "x-prev-page"]
        );
        assert!(
            !link.contains("rel=\"last\"") && link.contains("rel=\"next\""),
            "{link}"
        );
    }
}
