"""A run as one HTML page: `page.write_report`; its parts are the log, charts as SVG, and which charts there are."""
