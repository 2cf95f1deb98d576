using System.Globalization;
using System.Text;

namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>What has to change in one chain of iptables, all of it at once.</summary>
/// <param name="IsLegacy">Whether it is x_tables' (iptables-legacy) rather than nf_tables' (iptables-nft).</param>
/// <param name="Table">filter or raw.</param>
/// <param name="Chain">The chain.</param>
/// <param name="Remove">Our rules that are there, each as often as it is.</param>
/// <param name="Insert">Our rules that should be there, in order.</param>
/// <param name="Place">Between which of the others: behind that many.</param>
/// <param name="IsLast">Whether none of the others is behind.</param>
public sealed record ForeignEdit(
    bool IsLegacy, string Table, string Chain, IReadOnlyList<ForeignRule> Remove, IReadOnlyList<ForeignRule> Insert, int Place, bool IsLast)
{
    /// <summary>In words, for the log.</summary>
    public string Words => string.Create(
        CultureInfo.InvariantCulture,
        $"{(Insert.Count == 0 ? "took our rules out of" : Remove.Count == 0 ? "put our rules into" : "put our rules anew into")} chain {Chain} ({(IsLegacy ? "iptables-legacy" : "iptables")} -t {Table})");

    /// <summary>
    /// The input of <c>iptables-restore --noflush</c> that makes all edits, one transaction for each table. Taken out by what they say,
    /// never by number: between look and change somebody else may have put a rule in.
    /// </summary>
    public static string Script(IEnumerable<ForeignEdit> edits, string comment)
    {
        var text = new StringBuilder();
        foreach (var table in edits.GroupBy(e => e.Table, StringComparer.Ordinal))
        {
            text.Append(CultureInfo.InvariantCulture, $"*{table.Key}\n");
            foreach (var edit in table)
            {
                foreach (var rule in edit.Remove)
                    text.Append(CultureInfo.InvariantCulture, $"-D {edit.Chain} {rule.Text(comment)}\n");
                var place = edit.Place;
                foreach (var rule in edit.Insert)
                    text.Append(edit.IsLast ? $"-A {edit.Chain} " : string.Create(CultureInfo.InvariantCulture, $"-I {edit.Chain} {++place} ")).Append(rule.Text(comment)).Append('\n');
            }

            text.Append("COMMIT\n");
        }

        return text.ToString();
    }
}
