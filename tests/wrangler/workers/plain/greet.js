export const greet = (who) => "Grüße, " + who;
