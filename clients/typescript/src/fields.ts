/** The fields of a task that a person writes, by their names. */

import type { Fields } from "./types.js";

/** As an object, because then a field that is forgotten here is an error of types. */
const NAMES: Record<keyof Fields, true> = { title: true, description: true, is_completed: true };

export const FIELDS = Object.keys(NAMES) as readonly (keyof Fields)[];
