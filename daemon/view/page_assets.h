/* page.css and page.js as text, made at build time; the hashes are what a Content-Security-Policy calls them. */
#ifndef VIEW_PAGE_ASSETS_H
#define VIEW_PAGE_ASSETS_H

extern const char page_css[], page_css_hash[];
extern const char page_js[], page_js_hash[];

#endif
