namespace Accelerated.Interop.Netfilter;

/// <summary>All tables of one kind, read at one moment.</summary>
/// <param name="Tables">The tables.</param>
/// <param name="Digest">Changes when rules, chains or elements of sets do; not with counters, nor with elements that come and go by themselves.</param>
public sealed record FilterRules(IReadOnlyList<FilterTable> Tables, string Digest)
{
    /// <summary>No tables.</summary>
    public static FilterRules None { get; } = new([], "");
}
