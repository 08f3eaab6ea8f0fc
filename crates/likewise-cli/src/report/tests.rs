use scraper::{Html, Selector};

use super::sample::report as sample;
use super::*;

fn parse(page: &str) -> Html {
    let page = Html::parse_document(page);
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    page
}

fn count(page: &Html, selector: &str) -> usize {
    page.select(&Selector::parse(selector).expect("a selector"))
        .count()
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).expect("a selector");
    page.select(&selector)
        .map(|e| e.text().collect::<String>())
        .collect()
}

#[test]
fn a_full_report_is_well_formed_and_loads_nothing() {
    let text = render(&sample(5, 8));
    let page = parse(&text);
    for address in [
        "http:", "https:", "//www", "@import", "src=\"/", "<link", "<iframe",
    ] {
        assert!(!text.contains(address), "the page contains {address}");
    }
    let images = Selector::parse("img").expect("a selector");
    let images: Vec<_> = page.select(&images).collect();
    assert_eq!(images.len(), 20 * 6);
    for image in images {
        assert!(
            image
                .attr("src")
                .is_some_and(|s| s.starts_with("data:image/"))
        );
        assert!(image.attr("alt").is_some_and(|a| !a.is_empty()));
    }
    let addresses = text.matches("url(").count();
    assert_eq!(addresses, text.matches("url(data:").count());
    assert_eq!(addresses, 1, "the thumbnails of the map are embedded once");
}

#[test]
fn headings_form_an_outline_and_links_lead_somewhere() {
    let page = parse(&render(&sample(3, 6)));
    assert_eq!(count(&page, "h1"), 1);
    assert_eq!(count(&page, "main > section > h2"), 7);
    let links = Selector::parse("nav a").expect("a selector");
    for link in page.select(&links) {
        let target = link.attr("href").expect("a target");
        assert_eq!(count(&page, &format!("h2{target}")), 1, "{target}");
    }
}

#[test]
fn every_figure_has_a_name_and_a_table() {
    let page = parse(&render(&sample(3, 6)));
    assert_eq!(count(&page, "svg[role=img]"), 7);
    assert_eq!(count(&page, "svg[role=img][aria-label]"), 7);
    assert_eq!(count(&page, "figure"), 7);
    assert_eq!(count(&page, "details.data table"), 7);
    assert_eq!(count(&page, ".scatter .point"), 18);
    assert_eq!(count(&page, ".scatter .point title"), 18);
}

#[test]
fn right_and_wrong_neighbours_differ_in_sign_and_words() {
    let report = sample(3, 6);
    let page = parse(&render(&report));
    let neighbours = || report.queries.iter().flat_map(|q| &q.neighbours);
    let right = neighbours().filter(|n| n.correct).count();
    let wrong = neighbours().filter(|n| !n.correct).count();
    assert!(right > 0 && wrong > 0);
    assert_eq!(texts(&page, ".right .sign"), vec!["✓"; right]);
    assert_eq!(texts(&page, ".wrong .sign"), vec!["✗"; wrong]);
    assert_eq!(count(&page, ".wrong img[alt$='wrong class']"), wrong);
    assert_eq!(count(&page, ".right img[alt$='right class']"), right);
}

#[test]
fn numbers_changes_and_definitions_are_in_the_table() {
    let mut report = sample(3, 6);
    report.metrics[1].after = Some(f64::NAN);
    report.metrics[2].before = None;
    let page = parse(&render(&report));
    let cells = texts(&page, ".metrics tbody tr:first-child td");
    assert_eq!(cells, ["62.3%+33.6 points, better", "28.7%", "8.1%"]);
    let cells = texts(&page, ".metrics tbody tr:nth-child(2) td");
    assert_eq!(cells, ["n/a", "48.7%", "19.3%"]);
    let cells = texts(&page, ".metrics tbody tr:nth-child(3) td");
    assert_eq!(cells, ["24.2%", "n/a", "1.3%"]);
    let cells = texts(&page, ".metrics tbody tr:nth-child(5) td");
    assert_eq!(cells, ["0.412+0.209, worse", "0.203", "n/a"]);
    let cells = texts(&page, ".metrics tbody tr:nth-child(6) td");
    assert_eq!(cells, ["0.313−0.578", "0.891", "0.972"]);
    let definitions = texts(&page, ".definition");
    assert_eq!(definitions.len(), 6);
    assert!(definitions[4].ends_with("Smaller is better.") && definitions[5].ends_with("classes."));
    assert!(texts(&page, ".lead")[0].contains("before its first training step"));
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let evil = "<script>alert(1)</script>\"'&";
    let mut report = sample(3, 6);
    report.title = evil.to_owned();
    report.protocol = evil.to_owned();
    report.warnings = vec![evil.to_owned()];
    report.settings[0].rows[0] = (evil.to_owned(), evil.to_owned());
    report.metrics[0].title = evil.to_owned();
    report.progress[0].metric = evil.to_owned();
    report.progress[0].split = evil.to_owned();
    report.queries[0].class = evil.to_owned();
    report.queries[0].neighbours[0].class = evil.to_owned();
    let map = report.map.as_mut().expect("a map");
    map.points
        .iter_mut()
        .for_each(|p| p.class_name = evil.to_owned());
    let text = render(&report);
    let page = parse(&text);
    assert_eq!(count(&page, "script"), 1);
    assert!(!text.contains("<script>alert"));
    assert_eq!(texts(&page, "h1"), [evil]);
    assert_eq!(texts(&page, ".scatter .point:first-child title"), [evil]);
}

#[test]
fn an_empty_report_is_a_page() {
    let page = parse(&render(&Report::default()));
    assert_eq!(count(&page, "h1"), 1);
    assert_eq!(count(&page, "h2"), 0);
    assert_eq!(count(&page, "nav a"), 0);
}

#[test]
fn degenerate_parts_are_shown_as_far_as_they_go() {
    let point = |x: f64| MapPoint {
        x,
        y: 1.0,
        class: 99,
        class_name: String::new(),
        thumbnail: Some(7),
    };
    let report = Report {
        training: vec![TrainingCurve {
            title: "Training objective".to_owned(),
            quantity: "objective".to_owned(),
            note: String::new(),
            time: "epoch".to_owned(),
            points: vec![(1.0, f64::NAN)],
        }],
        progress: vec![ProgressCurve {
            metric: "NMI".to_owned(),
            split: "test".to_owned(),
            unit: Unit::Percent,
            points: vec![(0.0, 0.5)],
        }],
        queries: vec![Query {
            picture: b"broken".to_vec(),
            class: "a".to_owned(),
            neighbours: Vec::new(),
        }],
        spectrum: Some(Spectra {
            of: String::new(),
            before: Vec::new(),
            after: vec![0.0, f64::NAN],
        }),
        map: Some(EmbeddingMap {
            method: String::new(),
            points: vec![point(2.0), point(f64::NAN)],
            thumbnails: Vec::new(),
        }),
        skipped_files: 1,
        ..Report::default()
    };
    let text = render(&report);
    let page = parse(&text);
    assert!(!text.contains("NaN"));
    assert_eq!(count(&page, ".missing"), 1);
    assert_eq!(count(&page, ".scatter .point"), 1);
    assert_eq!(count(&page, "#spectrum"), 0);
    assert!(texts(&page, "details td").contains(&"n/a".to_owned()));
    assert_eq!(
        texts(&page, ".notices li"),
        ["1 file could not be read and was skipped."]
    );
}

#[test]
fn a_report_of_usual_size_stays_below_four_megabytes() {
    let size = render(&sample(50, 30)).len();
    assert!(size < 4_000_000, "{size} bytes");
}

/// Writes the sample page to look at: `LIKEWISE_SAMPLE_REPORT=/tmp/report.html cargo test -- --ignored`.
#[test]
#[ignore = "writes a file for looking at"]
fn write_the_sample_page() {
    let path =
        std::env::var("LIKEWISE_SAMPLE_REPORT").expect("LIKEWISE_SAMPLE_REPORT names a file");
    std::fs::write(&path, render(&sample(25, 60))).expect("the file can be written");
    let figure = crate::chart::toy_figure(&crate::chart::tests::toy());
    std::fs::write(format!("{path}.toy.svg"), figure).expect("the file can be written");
}
