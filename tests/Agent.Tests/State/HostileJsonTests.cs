using System.Text;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.State;

/// <summary>Anybody who may write to etcd may write anything: no text makes the readers fail in another way than they say.</summary>
public sealed class HostileJsonTests
{
    private static readonly string[] Keys =
    [
        "EnableIPv4", "EnableIPv6", "Network", "SubnetLen", "SubnetMin", "SubnetMax", "IPv6Network", "IPv6SubnetLen", "IPv6SubnetMin",
        "IPv6SubnetMax", "Backend", "Backend.Type", "Backend.VNI", "Backend.Port", "Backend.GBP", "Backend.DirectRouting", "Backend.Learning",
        "Backend.MTU",
    ];

    private static readonly string[] Values =
    [
        "[]", "{}", "\"\"", "\"x\"", "0", "1", "-1", "1.5", "1e3", "1e400", "-1e999999", "18446744073709551616", "9223372036854775808",
        new string('9', 5000), "true", "false", "null", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u0000\"", "\"10.5.0.0/16\"",
        "\"10.5.0.0/99999999999999999999\"", "\"::/0\"", "\"0.0.0.0\"", "\"::\"", "\"255.255.255.255\"", "\"١٠.٥.٠.٠/١٦\"",
        "\"fe80::1%eth0\"", "[[[[[[[[[[]]]]]]]]]]", "{\"Type\":\"\\ud800\"}", "{\"\\ud800\":1}",
    ];

    public static TheoryData<string> Texts =>
    [
        new string('[', 100_000),
        string.Concat(Enumerable.Repeat("{\"Backend\":", 10_000)),
        "{\"Network\":\"10.5.0.0/16\",\"x\":" + new string('[', 70) + new string(']', 70) + "}",
        "{\"Network\":\"10.5.0.0/16\"",
        "{\"Network\":\"10.5.0.0/16\"}}",
        "{\"Network\":\"10.5.0.0/16\",}",
        "{'Network':'10.5.0.0/16'}",
        "{\"Network\":\"10.5.0.0/16\" /* comment */}",
        "{\"Network\":\"10.5.0.0/16\",\"Backend\":{\"Type\":\"\\ud800\"}}",
        "{\"\\ud800\":1}",
        "\u0000",
        "\ud800",
        "\ufeff{}",
        "1e999999999",
        "\"text\"",
        " ",
        "tru",
    ];

    [Theory]
    [MemberData(nameof(Texts))]
    public void Parse_OfAnythingElse_ThrowsItsOwnException(string text)
    {
        Assert.Throws<NetworkConfigException>(() => NetworkConfigParser.Parse(text));

        // The same as a lease: an answer, never an exception. An object whose names mean nothing is an empty one.
        Assert.True(SubnetAttributes.TryParse(text, out var attributes, out var error) ? attributes.PublicIP is null : error.Length > 0);
    }

    [Fact]
    public void Parse_OfAnyValueForAnyKey_SucceedsOrNamesTheKey()
    {
        foreach (var key in Keys)
        {
            foreach (var value in Values)
            {
                var json = key.Split('.') is [_, var inner]
                    ? $$$"""{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","{{{inner}}}":{{{value}}}}}"""
                    : $$"""{"EnableIPv6":true,"Network":"10.5.0.0/16","IPv6Network":"fc00::/48","Backend":{"Type":"vxlan"},"{{key}}":{{value}}}""";
                try
                {
                    NetworkConfigParser.Parse(json);
                }
                catch (NetworkConfigException e)
                {
                    Assert.True(e.Message.StartsWith(key, StringComparison.Ordinal) || IsAboutAnother(key, e.Message), $"{json}: {e.Message}");
                    Assert.True(e.Message.Length < 300, $"{e.Message.Length} characters: {e.Message}");
                }
            }
        }
    }

    [Fact]
    public void Readers_OfMutilatedTexts_NeverThrowAnythingElse() => Rounds.Run(20_000, random =>
    {
        var text = new StringBuilder(random.Percent(50)
            ? """{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:42::/48","SubnetLen":24,"Backend":{"Type":"vxlan","VNI":1}}"""
            : """{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"76:19:b2:0f:7d:a4"}}""");
        for (var cuts = random.Next(1, 6); cuts > 0 && text.Length > 0; cuts--)
        {
            var at = random.Next(text.Length);
            switch (random.Next(4))
            {
                case 0:
                    text.Remove(at, Math.Min(random.Next(1, 9), text.Length - at));
                    break;
                case 1:
                    text.Insert(at, random.Pick(["{", "}", "[", "]", "\"", ",", ":", "null", "-", "1e400", "\\ud800", "\\", "\0", "\ud800", "/", "ſ", "İ"]));
                    break;
                case 2:
                    text[at] = (char)random.Next(0x20, 0x180);
                    break;
                default:
                    text.Insert(at, text.ToString(at, Math.Min(random.Next(1, 40), text.Length - at)));
                    break;
            }
        }

        var json = text.ToString();
        try
        {
            NetworkConfigParser.Parse(json);
        }
        catch (NetworkConfigException)
        {
            // The one it may throw.
        }

        if (SubnetAttributes.TryParse(json, out var attributes, out _))
            Assert.True(SubnetAttributes.TryParse(attributes.ToJson(), out var again, out _) && again == attributes, json);
    });

    // Switching a family off, or a bound that moves another one's default, is that other key's fault.
    private static bool IsAboutAnother(string key, string message) =>
        (key.EndsWith("Network", StringComparison.Ordinal) && message.Contains(key, StringComparison.Ordinal))
        || (key.EndsWith("SubnetMax", StringComparison.Ordinal) && message.Contains($"above {key}", StringComparison.Ordinal))
        || (key == "Backend" && message.StartsWith("Backend.Type", StringComparison.Ordinal));
}
