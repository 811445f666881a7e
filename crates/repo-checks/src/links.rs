//! Links of the documentation: each leads to a file of the repository and to a heading that is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::Finding;

/// A Markdown file: what it links to, and what can be linked to in it.
#[derive(Debug, Default)]
struct Page {
    links: Vec<(usize, String)>,
    anchors: BTreeSet<String>,
}

/// What is wrong with links and paths in `pages`, the Markdown files among `files` with their texts.
///
/// `machine` are beginnings of paths that exist on one machine only.
pub fn check(pages: &BTreeMap<PathBuf, String>, files: &BTreeSet<PathBuf>, machine: &[&str]) -> Vec<Finding> {
    let folders: BTreeSet<&Path> = files.iter().flat_map(|file| file.ancestors().skip(1)).collect();
    let read: BTreeMap<&Path, Page> = pages.iter().map(|(path, text)| (path.as_path(), page(text))).collect();
    let mut found = Vec::new();
    for (&path, page) in &read {
        for (line, link) in &page.links {
            let wrong = wrong(path, link, &read, |target| files.contains(target) || folders.contains(target));
            found.extend(wrong.map(|message| Finding::new(path, *line, message)));
        }
        for (number, line) in pages[path].lines().enumerate() {
            for start in machine.iter().filter(|start| names_path(line, start)) {
                let message =
                    format!("`{start}…` is a path of one machine: name it relative to the repository");
                found.push(Finding::new(path, number + 1, message));
            }
        }
    }
    found.sort();
    found
}

/// Whether `line` has a path that begins with `start`, rather than one with `start` inside.
fn names_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}' | '~'))
    })
}

/// What is wrong with `link` in the page at `path`.
fn wrong(
    path: &Path,
    link: &str,
    pages: &BTreeMap<&Path, Page>,
    exists: impl Fn(&Path) -> bool,
) -> Option<String> {
    if link.starts_with("file:") || link.starts_with('/') && !link.starts_with("//") {
        return Some(format!("`{link}` is an absolute path: make it relative to this file"));
    }
    let scheme = link.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if link.starts_with("//") || scheme.is_some_and(is_scheme) {
        return None;
    }
    let (target, fragment) = link.split_once('#').map_or((link, None), |(target, part)| (target, Some(part)));
    let target = decode(target.split('?').next().unwrap_or_default());
    let target = if target.is_empty() { Some(path.to_owned()) } else { join(path, &target) };
    let Some(target) = target else {
        return Some(format!("`{link}` leads out of the repository: link to the web page instead"));
    };
    if !exists(&target) {
        return Some(format!(
            "`{link}` leads to no file of the repository: there is no {}",
            target.display()
        ));
    }
    let fragment = fragment.map(decode)?;
    let page = pages.get(target.as_path())?;
    if page.anchors.contains(&fragment) {
        return None;
    }
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let near = page.anchors.iter().find(|anchor| letters(anchor) == letters(&fragment.to_lowercase()));
    let near = near.map_or(String::new(), |near| format!("; did you mean `#{near}`?"));
    Some(format!("`{link}` leads to no heading of {}{near}", target.display()))
}

/// `target` seen from the file at `path`; nothing when it is above the repository.
fn join(path: &Path, target: &str) -> Option<PathBuf> {
    let mut joined = path.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir if !joined.pop() => return None,
            Component::Normal(name) => joined.push(name),
            _ => {}
        }
    }
    Some(joined)
}

/// `text` with `%41` and the like decoded.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The fragment GitHub gives a heading: small letters, digits, `-` and `_` stay, spaces become `-`.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().flat_map(char::to_lowercase);
    kept.filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c => c.is_alphanumeric().then_some(c),
    })
    .collect()
}

fn page(text: &str) -> Page {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let mut page = Page::default();
    let mut times: HashMap<String, usize> = HashMap::new();
    let mut heading: Option<String> = None;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        let line = text[..range.start].matches('\n').count() + 1;
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push((line, dest_url.into_string()));
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                page.links.extend(attributes(&html, &["href", "src", "srcset"]).map(|link| (line, link)));
                page.anchors.extend(attributes(&html, &["id", "name"]));
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let before = times.entry(slug.clone()).and_modify(|times| *times += 1).or_default();
                page.anchors.insert(if *before == 0 { slug } else { format!("{slug}-{before}") });
            }
            _ => {}
        }
    }
    page
}

/// The values of attributes called one of `names` in `html`.
fn attributes<'a>(html: &'a str, names: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
    html.match_indices('=').filter_map(move |(at, _)| {
        let name = html[..at].trim_end().rsplit([' ', '\t', '\n']).next()?.to_ascii_lowercase();
        let value = html[at + 1..].trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let value = value[1..].split(quote).next()?;
        names.contains(&name.as_str()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pages: &[(&str, &str)], others: &[&str]) -> Vec<String> {
        let texts: BTreeMap<PathBuf, String> =
            pages.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        let files = texts.keys().cloned().chain(others.iter().map(PathBuf::from)).collect();
        check(&texts, &files, &["/home/"]).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let readme = "# Menshen (门神)\n\n[a](docs/a.md) ![b](docs/b%20c.png) [c](src) [d](docs/a.md#how-it-works)\n\
                      [e](#menshen-门神) [f](#menshen-%E9%97%A8%E7%A5%9E) <https://a.b/#x> [g](mailto:a@b.c)\n\
                      [h][r] <a href=\"docs/a.md#here\">i</a> `[no](link)`\n\n[r]: src/lib.rs#L10\n";
        let guide = "How `it` works?\n---\n\n## How it works\n<a id=\"here\"></a>\n\
                     [up](../README.md) [again](#how-it-works-1) /srv/home/x\n";
        let zh = "## 安装：第一步（离线）\n[x](#安装第一步离线)\n";
        let pages = [("README.md", readme), ("docs/a.md", guide), ("docs/zh/a.md", zh)];
        assert_eq!(found(&pages, &["docs/b c.png", "src/lib.rs"]), [""; 0]);
    }

    #[test]
    fn the_rules_find_what_they_forbid() {
        for (link, expected) in [
            ("[x](b.md)", "README.md:3: `b.md` leads to no file of the repository: there is no b.md"),
            ("![x](b.png)", "README.md:3: `b.png` leads to no file of the repository: there is no b.png"),
            (
                "<img src='c.png'>",
                "README.md:3: `c.png` leads to no file of the repository: there is no c.png",
            ),
            (
                "[x](../b.md)",
                "README.md:3: `../b.md` leads out of the repository: link to the web page instead",
            ),
            ("[x](#titel)", "README.md:3: `#titel` leads to no heading of README.md"),
            ("[x](#Title)", "README.md:3: `#Title` leads to no heading of README.md; did you mean `#title`?"),
            ("[x](/a.md)", "README.md:3: `/a.md` is an absolute path: make it relative to this file"),
            ("[x](file:a.md)", "README.md:3: `file:a.md` is an absolute path: make it relative to this file"),
            (
                "run `/home/me/x`",
                "README.md:3: `/home/…` is a path of one machine: name it relative to the repository",
            ),
        ] {
            assert_eq!(found(&[("README.md", &format!("# Title\n\n{link}\n"))], &[]), [expected]);
        }
    }
}
