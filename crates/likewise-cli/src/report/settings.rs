//! What was run: recipe, data, device, versions.

use maud::{Markup, html};

use super::SettingGroup;
use super::page::heading;

/// The settings section; empty without settings.
pub fn section(groups: &[SettingGroup]) -> Markup {
    let lead = html! { "The same settings, seed, data and device repeat the run, on a GPU up to rounding." };
    html! {
        @if !groups.is_empty() {
            section aria-labelledby="settings" {
                (heading("settings", "How this was made", &lead))
                div class="settings" {
                    @for group in groups {
                        section {
                            h3 { (group.title) }
                            dl { @for (name, value) in &group.rows { div { dt { (name) } dd { (value) } } } }
                        }
                    }
                }
            }
        }
    }
}
