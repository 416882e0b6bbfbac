"use strict";

const page = document.getElementById("page");
SwaggerUIBundle({
  url: page.dataset.document,
  domNode: page,
  deepLinking: true,
  docExpansion: "none",
  validatorUrl: null, // else the document would be sent to a server elsewhere
});
