//! What the network finds alike: queries with their nearest neighbours.

use maud::{Markup, html};

use super::page::heading;
use super::picture::data_uri;
use super::{Neighbour, Query};

/// Longest side of an embedded picture in pixels.
const SIDE: u32 = 160;

/// The neighbours section; empty without queries.
pub fn section(queries: &[Query]) -> Markup {
    let all = || queries.iter().flat_map(|q| &q.neighbours);
    let right = all().filter(|n| n.correct).count();
    let first = queries
        .iter()
        .filter(|q| q.neighbours.first().is_some_and(|n| n.correct))
        .count();
    let lead = html! {
        "Each query (left) with the images of unseen classes that lie nearest to it, nearest first. "
        span class="good" { "✓" } " solid frame: same class; " span class="bad" { "✗" }
        " dashed frame: another class. Of these, " (first) " of " (queries.len())
        " first neighbours and " (right) " of " (all().count()) " neighbours are right."
    };
    html! {
        @if !queries.is_empty() {
            section aria-labelledby="neighbours" {
                (heading("neighbours", "Nearest neighbours", &lead))
                div class="queries" { @for query in queries { (card(query)) } }
            }
        }
    }
}

fn card(query: &Query) -> Markup {
    let right = query.neighbours.iter().filter(|n| n.correct).count();
    html! {
        article class="query" {
            h3 { (query.class) " " span class="count" { (right) " of " (query.neighbours.len()) } }
            ol class="strip" {
                li class="asked" {
                    (picture(&query.picture, &format!("Query: {}", query.class)))
                    span class="caption" { "Query" }
                }
                @for (i, neighbour) in query.neighbours.iter().enumerate() { (item(i + 1, neighbour)) }
            }
        }
    }
}

fn item(rank: usize, neighbour: &Neighbour) -> Markup {
    let (class, sign, word) = match neighbour.correct {
        true => ("right", "✓", "right"),
        false => ("wrong", "✗", "wrong"),
    };
    let alt = format!("Neighbour {rank}: {}, {word} class", neighbour.class);
    html! {
        li class=(class) {
            (picture(&neighbour.picture, &alt))
            span class="sign" aria-hidden="true" { (sign) }
            span class="caption" title=(neighbour.class) aria-hidden="true" { (neighbour.class) }
        }
    }
}

fn picture(bytes: &[u8], alt: &str) -> Markup {
    html! {
        @match data_uri(bytes, SIDE) {
            Some(picture) => {
                img src=(picture.uri) width=(picture.width) height=(picture.height) alt=(alt);
            }
            None => { span class="missing" role="img" aria-label={ (alt) " (no picture)" } { "no picture" } }
        }
    }
}
