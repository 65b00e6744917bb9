import { greet } from "./greet.js";

export default {
  async fetch(request, env) {
    return new Response(greet(env.GREETING ?? "nobody"));
  },
  async scheduled(event, env) {},
  async queue(batch, env) {},
};
