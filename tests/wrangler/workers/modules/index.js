import text from "./notes/größe.txt";
import page from "./page.html";
import blob from "./table.bin";
import shape from "./shape.wasm";

export class Counter {
  constructor(state) {
    this.state = state;
  }
  async fetch() {
    return new Response("counted");
  }
}

export default {
  async fetch(request, env) {
    return new Response([text, page, blob.byteLength, shape instanceof WebAssembly.Module].join("\n"));
  },
};
