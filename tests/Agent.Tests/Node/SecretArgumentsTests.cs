using Accelerated.Agent.Node;

namespace Accelerated.Agent.Tests.Node;

public sealed class SecretArgumentsTests
{
    [Theory]
    [InlineData("agent --etcd-password=a=b", "--etcd-password=a=b a=b")]
    [InlineData("-etcd-password=geheim --etcd-username=node", "-etcd-password=geheim geheim")]
    [InlineData("--etcd-password geheim -etcd-password auch", "geheim geheim, auch auch")]
    [InlineData("--etcd-password= --etcd-password", "")]
    [InlineData("--etcd-username=node etcd-password=x --etcd-passwords=x", "")]
    public void Find_InArguments_GivesEachPassword(string arguments, string expected) =>
        Assert.Equal(expected, string.Join(", ", SecretArguments.Find(arguments.Split(' ')).Select(f => $"{f.Argument} {f.Secret}")));
}
