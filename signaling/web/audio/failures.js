// @ts-check
/** Why sound is not there, beside what getUserMedia throws. */

/** It was closed while it was being opened; what was opened is closed again. */
export class Closed extends Error {}

/** The AudioContext, its worklets or its nodes could not be made; `cause` says why. */
export class GraphError extends Error {}
