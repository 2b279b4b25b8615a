//! The page's entry point. The engine without the page is the command `lab`.

use control_plane_lab::ui::App;

fn main() {
    control_plane_lab::ui::crash::install();
    leptos::mount::mount_to_body(App);
}
