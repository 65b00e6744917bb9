addEventListener("fetch", (event) => {
  event.respondWith(new Response(TERMS + TABLE.byteLength + (SHAPE instanceof WebAssembly.Module)));
});
