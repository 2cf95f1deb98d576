namespace Accelerated.Interop.Netfilter;

/// <summary>Kinds of verdicts.</summary>
public enum VerdictKind
{
    /// <summary>The next rule.</summary>
    Continue,

    /// <summary>Done with this base chain; the next one may still refuse.</summary>
    Accept,

    /// <summary>Gone, with or without a word to the sender.</summary>
    Drop,

    /// <summary>Handed to a program.</summary>
    Queue,

    /// <summary>Back to the calling chain; in a base chain, to its policy.</summary>
    Return,

    /// <summary>Another chain, then back.</summary>
    Jump,

    /// <summary>Another chain, then back to where this one was called from.</summary>
    Goto,
}
