/** What a wall display can show: its pages, the cards on each, and the topics that each card is made of. */

export const TOPICS = ["summary", "nodes", "queues", "users", "trend", "source", "events"];

/** Card → its topics. Without the first there is no card. */
export const CARDS = {
  headlines: ["summary", "trend", "nodes"],
  map: ["nodes"],
  room: ["nodes", "summary"],
  queues: ["queues"],
  users: ["users"],
  events: ["events"],
};

/** Page → its columns of cards. @type {Record<string, string[][]>} */
export const PAGES = {
  overview: [["headlines"], ["map"], ["room", "queues", "events"]],
  nodes: [["map"], ["room", "events"]],
  queues: [["headlines"], ["queues"], ["users"]],
  events: [["headlines"], ["events"]],
};

/** Whether there is such a card for who has these topics. @param {string} card @param {string[]} topics */
export const isShown = (card, topics) => topics.includes(CARDS[card][0]);
