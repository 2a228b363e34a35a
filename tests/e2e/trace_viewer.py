# SPDX-License-Identifier: MIT
"""Chrome's trace viewer, what chrome://tracing is, in a page of ours: as `go tool trace` has it too.

Debian's Chromium leaves it out, and so it comes from the sources of Go. Served on loopback, as what stands in
for the HTML imports that it is made of needs HTTP.
"""

import contextlib
import functools
import http.server
import pathlib
import threading

from browser import Browser
from program import wait_until

PLACE = pathlib.Path("/usr/share/go-1.19/src/cmd/trace/static")
FILES = ("webcomponents.min.js", "trace_viewer_full.html")
PAGE = """<!doctype html>
<script src="webcomponents.min.js"></script>
<link rel="import" href="trace_viewer_full.html">
<script>
let state = "loading", model;
document.addEventListener("WebComponentsReady", async () => {
	try {
		const container = document.createElement("track-view-container");
		const viewer = document.createElement("tr-ui-timeline-view");
		container.id = "track_view_container";
		viewer.track_view_container = container;
		Polymer.dom(viewer).appendChild(container);
		viewer.globalMode = true;
		Polymer.dom(document.body).appendChild(viewer);
		const text = await (await fetch("trace.json")).text();
		model = new tr.Model();
		await new tr.importer.Import(model, new tr.importer.ImportOptions()).importTracesWithProgressDialog([text]);
		viewer.model = model;
		state = "loaded";
	} catch (error) {
		state = String(error);
	}
});
</script>
<body style="margin: 0">
"""
# Its slices in all, what it warned of, and by process and track what is in them.
SEEN = """(() => {
	const tracks = [];
	for (const process of model.getAllProcesses())
		for (const thread of Object.values(process.threads))
			tracks.push([process.name, thread.name, thread.sliceGroup.length]);
	return { tracks, warnings: model.importWarnings.map((w) => w.message) };
})()"""
# Those that are drawn.
HEADINGS = "document.documentElement.innerText.split('\\n').map((line) => line.trim())"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(directory):
    handler = functools.partial(Quiet, directory=directory)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def opened(file, directory):
    """A browser in which it has the file, in a directory that is there for it alone."""
    directory.mkdir()
    for name in FILES:
        (directory / name).symlink_to(PLACE / name)
    (directory / "trace.json").symlink_to(file)
    (directory / "index.html").write_text(PAGE)
    with served(directory) as port, Browser() as browser:
        browser.size(1300)
        browser.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
        state = "typeof state === 'undefined' ? 'loading' : state"
        done = wait_until(lambda: (now := browser.ask(state)) != "loading" and now, "it is not loaded", 60)
        assert done == "loaded", done
        browser.settle()
        yield browser
