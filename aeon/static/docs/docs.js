// Shows /openapi.json in whichever viewer the page has loaded. Nothing else is fetched.
"use strict";

const DESCRIPTION = "/openapi.json";

if (window.SwaggerUIBundle) {
  window.ui = SwaggerUIBundle({
    url: DESCRIPTION,
    dom_id: "#swagger",
    deepLinking: true,
    // The validator badge would ask a foreign server.
    validatorUrl: null,
    persistAuthorization: false,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    presets: [SwaggerUIBundle.presets.apis],
  });
} else if (window.Redoc) {
  Redoc.init(
    DESCRIPTION,
    { disableSearch: false, hideLoading: true, theme: { typography: { fontFamily: "system-ui, sans-serif", headings: { fontFamily: "system-ui, sans-serif" }, code: { fontFamily: "ui-monospace, monospace" } } } },
    document.getElementById("redoc"),
  );
}
